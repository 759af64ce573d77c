import type { Kysely } from 'kysely'
import { capabilities, requiredExtensions, type Capabilities } from '../../database/capabilities.ts'
import { readInstallation, schemaVersion, type Installation } from '../../database/installation/installation.ts'
import { plainKysely } from '../../database/connection/plainKysely.ts'
import { VantageError } from '../../schema/errors.ts'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { parseOptions } from '../../schema/parse.ts'
import { schemaDrift, type Drift } from './schemaDrift.ts'
import { doubtfulInstallations } from './installationFindings.ts'
import { policyFindings } from './policyFindings.ts'
import { exposureFindings } from '../rights/exposureFindings.ts'
import { rightsFindings, roleStates, type RoleState } from '../rights/rightsFindings.ts'
import { roomStates, type RoomState } from './roomStates.ts'
import { serverVersionFindings } from './serverVersionFindings.ts'
import { strayRows } from './strayRows.ts'
import type { Finding } from '../finding.ts'
import { older } from '../version.ts'

export interface DoctorReport {
  server: Pick<Capabilities, 'version' | 'versionNumber' | 'embedded' | 'superuser'>
  extensions: Capabilities['extensions']
  /** The edition of an installed TimescaleDB. */
  timescaleLicence: Capabilities['timescaleLicence']
  /** What the database was installed with; null where it is not. */
  installation: Installation | null
  /** The version the database is at; 0 where nothing is installed. */
  version: number
  libraryVersion: number
  /** What each room of the library can do here. */
  rooms: RoomState[]
  /**
   * Which of the roles the current role can be, and what it lacks for the others; none where
   * nothing is installed.
   */
  roles: RoleState[]
  drift: Drift[]
  /** Errors first. */
  findings: Finding[]
}

/**
 * What this server and database can do, what is wrong with them, and what to do about each finding. Reads only.
 *
 * @param options `schema` is only needed when one database holds several installations.
 * @example
 * const { findings } = await doctor(db)
 * const broken = findings.filter(({ severity }) => severity === 'error')
 */
export async function doctor<Database>(db: Kysely<Database>, options: { schema?: string } = {}): Promise<DoctorReport> {
  const { schema } = parseOptions(schemaOption, options)
  const plain = plainKysely(db)
  const server = await capabilities(plain)
  const { located, findings: unreadable } = await locate(plain, schema)
  const { version = 0, ...installation } = located ?? {}
  const report = {
    server: { version: server.version, versionNumber: server.versionNumber, embedded: server.embedded, superuser: server.superuser },
    extensions: server.extensions,
    timescaleLicence: server.timescaleLicence,
    version,
    libraryVersion: schemaVersion,
    rooms: roomStates(server, located),
  }
  const findings = [...unreadable, ...serverVersionFindings(server), ...extensionFindings(server, located)]
  if (located === undefined) return { ...report, installation: null, roles: [], drift: [], findings: inOrder(findings) }
  const current = version === schemaVersion
  // Against another version's tables everything would be drift.
  const drift = current ? await schemaDrift(plain, located) : []
  if (!current) findings.push(versionFinding(version))
  const roles = await roleStates(plain, located)
  const rights = rightsFindings(roles)
  findings.push(...drift.map(driftFinding), ...rights, ...(await exposureFindings(plain, located)))
  // Tables that this role may not read, or that are gone, tell nothing of how policies are kept.
  const gone = drift.some(({ kind, what, name }) => kind === 'missing' && what === 'table' && name.startsWith('pgvantage_'))
  const readable = current && !gone && rights.every(({ severity }) => severity !== 'error')
  if (readable) findings.push(...(await policyFindings(plain, located)))
  if (located.timeRung === 'native') findings.push(...(await strayFindings(plain, located)))
  return { ...report, installation: installation as Installation, roles, drift, findings: inOrder(findings) }
}

async function locate(
  db: Kysely<{}>,
  schema: string | undefined,
): Promise<{ located?: Installation & { version: number }; findings: Finding[] }> {
  try {
    const located = await readInstallation(db, schema)
    if (located !== undefined) return { located, findings: await doubtfulInstallations(db, undefined) }
  } catch (cause) {
    if (cause instanceof VantageError && cause.code === 'DOUBTFUL_INSTALLATION') {
      return { findings: await doubtfulInstallations(db, schema) }
    }
    if (cause instanceof VantageError) throw cause
    const reason = cause instanceof Error ? cause.message : String(cause)
    const remedy =
      'run what `pgvantage grants --role ROLE NAME` prints for what this role is meant to be; where the tables are gone, restore them from a backup'
    return {
      findings: [{ severity: 'error', code: 'unreadable', message: `the installation's own tables cannot be read: ${reason}`, remedy }],
    }
  }
  const where = schema === undefined ? 'this database' : `schema ${schema}`
  return {
    findings: [
      { severity: 'error', code: 'not-installed', message: `pgvantage is not installed in ${where}`, remedy: 'run `pgvantage migrate up`' },
    ],
  }
}

const versionFinding = (version: number): Finding => ({
  severity: 'error',
  code: 'schema-version',
  message: `the database's schema is at version ${version}, this library works with ${schemaVersion}`,
  remedy: version > schemaVersion ? 'upgrade the pgvantage package' : 'run `pgvantage migrate up`',
})

function extensionFindings(server: Capabilities, installation: Installation | undefined): Finding[] {
  const { extensions } = server
  const findings: Finding[] = []
  const add = (severity: Finding['severity'], code: string, message: string, remedy: string) =>
    findings.push({ severity, code, message, remedy })
  for (const name of requiredExtensions) {
    const { installed, available } = extensions[name]
    if (installed !== null) continue
    const remedy =
      available === null
        ? "install the extension's package on the server, or choose a server that offers it"
        : 'run `pgvantage migrate up`, which creates it'
    add(
      'error',
      'extension-missing',
      `extension ${name} is ${available === null ? 'not on this server' : 'available but not installed'}`,
      remedy,
    )
  }
  const vector = extensions.vector.installed
  if (vector !== null && older(vector, '0.8.4')) {
    add(
      'warning',
      'pgvector-vacuum',
      `pgvector ${vector} has bugs in vacuuming HNSW indexes, fixed in 0.8.4: chunks can go missing from similarity searches`,
      'install pgvector 0.8.4 or later, `alter extension vector update`, then `reindex index concurrently idx_kb_vec_hnsw`; until then reindex after large deletes',
    )
  }
  const age = extensions.age.installed
  if (age !== null && older(age, '1.7.0')) {
    add(
      'warning',
      'age-cache',
      `Apache AGE ${age} breaks a connection that has met more than 41 labels, ten tenants' graphs (apache/age#2245): refreshCallGraph and deleteTenant can then fail on it, losing nothing`,
      'install AGE 1.7 or later; until then let the pool replace its connections now and then (pg: `maxUses`)',
    )
  }
  for (const [name, { installed, available }] of Object.entries(extensions)) {
    if (installed !== null && available !== null && older(installed, available)) {
      add(
        'info',
        'extension-update',
        `extension ${name} is at ${installed}, the server has ${available}`,
        `run \`alter extension ${name} update\``,
      )
    }
  }
  if (extensions.age.installed === null) {
    add(
      'info',
      'no-age',
      'without Apache AGE there is no Cypher; the graph functions answer from the tables',
      extensions.age.available === null
        ? 'nothing, unless you want Cypher: then install Apache AGE on the server'
        : 'run `pgvantage migrate up` as a role that may create it',
    )
  }
  findings.push(...timescaleFindings(server, installation))
  return findings
}

function timescaleFindings(
  { extensions, timescalePreloaded, timescaleLicence, embedded }: Capabilities,
  installation: Installation | undefined,
): Finding[] {
  const { installed, available } = extensions.timescaledb
  const community = timescaleLicence === 'timescale'
  // Before 2.18 it is as if it was not there.
  if (installation !== undefined && installed !== null && !older(installed, '2.18')) {
    const unused =
      installation.timeRung === 'native'
        ? `TimescaleDB ${installed} is here, but the rollup tables were made before it as native partitions`
        : installation.timeRung === 'apache' && community
          ? `TimescaleDB ${installed} is here with its community edition, but the rollups were made for the Apache edition`
          : undefined
    if (unused !== undefined) {
      return [
        {
          severity: 'warning',
          code: 'timescaledb-unused',
          message: unused,
          remedy: `run \`pgvantage policies apply --convert\` at a quiet time: it moves ${installation.timeRung === 'native' ? 'the tables' : 'the rollups'} up, and blocks whoever reads or writes them for as long as that takes`,
        },
      ]
    }
  }
  if (installation !== undefined && installation.timeRung !== 'native' && installed === null) {
    return [
      {
        severity: 'error',
        code: 'timescaledb-gone',
        message: 'the rollup tables were made as hypertables, but the extension timescaledb is gone',
        remedy: 'restore the database with the extension; its tables cannot be used without',
      },
    ]
  }
  if (installed === null && available !== null && !embedded) {
    const message = `TimescaleDB ${available} is on the server but not in this database`
    if (timescalePreloaded !== true) {
      return [
        {
          severity: 'info',
          code: 'timescaledb-not-preloaded',
          message: `${message}, and not known to be in shared_preload_libraries`,
          remedy:
            'to have hypertables add it there and restart, then run `pgvantage policies apply --convert`, or `pgvantage migrate up` where nothing is installed yet',
        },
      ]
    }
    const remedy =
      installation === undefined
        ? 'nothing: `pgvantage migrate up` creates it'
        : 'to have hypertables run `pgvantage policies apply --convert`, which creates it'
    return [{ severity: 'info', code: 'timescaledb-available', message, remedy }]
  }
  if (timescaleLicence === 'apache') {
    return [
      {
        severity: 'info',
        code: 'timescaledb-apache',
        message: "TimescaleDB's Apache edition has no policies, compression or continuous aggregates",
        remedy: 'nothing; with the community edition (timescaledb.license = timescale) `pgvantage policies apply --convert` adds them',
      },
    ]
  }
  return []
}

function driftFinding(drift: Drift): Finding {
  const { kind, what, name, expected, actual } = drift
  // Only a hash is known of these, so there is nothing to show.
  const opaque = what === 'function' || what === 'view'
  const message = {
    missing: `${what} ${name} is missing${what === 'trigger' ? ': what is written late does not reach its rollup' : ''}`,
    added: `${what} ${name} was not created by pgvantage: ${actual}`,
    changed: opaque
      ? `${what} ${name} is not the one this version of pgvantage installs`
      : `${what} ${name} is "${actual}", not "${expected}"`,
  }[kind]
  return { severity: kind === 'added' ? 'warning' : 'error', code: 'drift', message, remedy: driftRemedy(drift) }
}

/** The functions of sql/ are put back by code of ours; a table's own parts are not, for its rows are at stake. */
function driftRemedy({ kind, what, expected }: Drift): string {
  if (kind === 'added') return 'keep it if it is meant; it has to be dropped before `pgvantage migrate down` only if it stands in its way'
  if (what === 'function' || what === 'domain') return 'run `pgvantage migrate up`, which installs it again'
  if (what === 'view') {
    return 'create it again with the statement that `pgvantage migrate plan --sql --schema NEW` prints for it; its rows are not in it, except where it was a continuous aggregate'
  }
  if (what === 'trigger') {
    return `${kind === 'missing' ? 'create it again' : 'change it back'}: ${expected}; then have what was written meanwhile rolled again`
  }
  if (what === 'table' && kind === 'missing') return 'restore it from a backup'
  return `change it back${expected === null ? '' : ` to: ${expected}`}`
}

async function strayFindings(db: Kysely<{}>, installation: Installation): Promise<Finding[]> {
  return (await strayRows(db, installation)).map((table) => ({
    severity: 'warning',
    code: 'default-partition',
    message: `${table}_default holds rows: their time lies outside the partitions of ${table}`,
    remedy:
      'run `pgvantage maintain`, which gives them partitions of their own: nothing is lost and queries see them, but retention and pruning work by partition',
  }))
}

const weight = { error: 0, warning: 1, info: 2 }
const inOrder = (findings: Finding[]) => findings.toSorted((a, b) => weight[a.severity] - weight[b.severity])
