import type { Ability, Check, Examined, Finding } from '../database/checks/check.ts'
import type { TimeRung } from '../database/installation/installation.ts'
import { older } from '../database/older.ts'

/** How the rollup tables are stored on a rung. */
export const timeTableAbility = (timeRung: TimeRung): Ability =>
  timeRung === 'native'
    ? { state: 'fallback', reason: 'native range partitions instead of hypertables' }
    : { state: 'full', reason: 'hypertables' }

/** How policies are carried out on a rung. */
export const lifecycleAbility = (timeRung: TimeRung): Ability =>
  timeRung === 'community'
    ? { state: 'full', reason: "TimescaleDB's jobs, compression and continuous aggregates" }
    : { state: 'fallback', reason: 'no jobs on this server: run `pgvantage maintain` from a scheduler, about every half hour' }

/** TimescaleDB before 2.18 is not used: its triggers do not see which rows were written. */
export const oldestTimescale = '2.18'

/**
 * Checks that the tables use what TimescaleDB offers here, and that it is installed if they need
 * it.
 */
export const timescaleCheck: Check = {
  name: 'TimescaleDB',
  find(examined) {
    const finding = unused(examined) ?? gone(examined) ?? notHere(examined) ?? apacheOnly(examined)
    return finding === null ? [] : [finding]
  },
}

function unused({ server: { extensions, timescaleLicence }, installation }: Examined): Finding | null {
  const { installed } = extensions.timescaledb
  if (installation === null || installed === null || older(installed, oldestTimescale)) return null
  const { timeRung } = installation
  const native = timeRung === 'native'
  if (!native && !(timeRung === 'apache' && timescaleLicence === 'timescale')) return null
  return {
    severity: 'warning',
    code: 'timescaledb-unused',
    message: native
      ? `TimescaleDB ${installed} is here, but the rollup tables were made before it as native partitions`
      : `TimescaleDB ${installed} is here with its community edition, but the rollups were made for the Apache edition`,
    remedy: `run \`pgvantage policies apply --convert\` at a quiet time: it moves ${native ? 'the tables' : 'the rollups'} up, and blocks their readers and writers until it ends`,
    needs: 'maintainer',
  }
}

function gone({ server: { extensions }, installation }: Examined): Finding | null {
  if (installation === null || installation.timeRung === 'native' || extensions.timescaledb.installed !== null) return null
  return {
    severity: 'error',
    code: 'timescaledb-gone',
    message: 'the rollup tables were made as hypertables, but the extension timescaledb is gone',
    remedy: 'restore the database with the extension; its tables cannot be used without it',
  }
}

function notHere({ server: { extensions, timescalePreloaded, embedded }, installation }: Examined): Finding | null {
  const { installed, available } = extensions.timescaledb
  if (installed !== null || available === null || embedded) return null
  const message = `TimescaleDB ${available} is on the server but not in this database`
  if (timescalePreloaded !== true) {
    return {
      severity: 'info',
      code: 'timescaledb-not-preloaded',
      message: `${message}, and ${timescalePreloaded === null ? 'this role may not read whether it is' : 'not'} in shared_preload_libraries`,
      remedy:
        'to have hypertables add it there and restart, then run `pgvantage policies apply --convert`, or `pgvantage migrate up` where nothing is installed yet',
    }
  }
  return {
    severity: 'info',
    code: 'timescaledb-available',
    message,
    remedy:
      installation === null
        ? 'nothing: `pgvantage migrate up` creates it'
        : 'to have hypertables run `pgvantage policies apply --convert`, which creates it',
    needs: 'superuser',
  }
}

function apacheOnly({ server: { timescaleLicence } }: Examined): Finding | null {
  if (timescaleLicence !== 'apache') return null
  return {
    severity: 'info',
    code: 'timescaledb-apache',
    message: "TimescaleDB's Apache edition has no policies, compression or continuous aggregates",
    remedy: 'nothing; with the community edition (timescaledb.license = timescale) `pgvantage policies apply --convert` adds them',
  }
}
