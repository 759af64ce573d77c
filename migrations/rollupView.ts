import { qualified, type Installation } from '../src/database/installation/installation.ts'
import { timeTable } from './timeTable.ts'

// Frozen like the migrations that use it: a change here would change what has run.

/** A rollup as a migration makes it, its SQL as it was then. */
export interface Rollup {
  name: string
  source: string
  /** The table that its source's rows are written to. */
  written: string
  bucket: '1 hour' | '1 day'
  chunkDays: number
  /** Columns and their types; those of the identity tell, with the bucket, one row from another. */
  keys: Readonly<Record<string, string>>
  identity: string
  measures: Readonly<Record<string, readonly [type: string, aggregate: string]>>
  indexes: readonly (readonly [name: string, columns: string])[]
}

const stored = ({ name }: Rollup): string => `${name}_stored`

export const knownTable = (installation: Installation, name: string): string =>
  `insert into ${qualified(installation, 'pgvantage_time_table')} (name) values ('${name}')`

const bucketOf = ({ timeRung }: Installation, { bucket }: Rollup): string =>
  timeRung === 'community'
    ? `time_bucket(interval '${bucket}', bucket)`
    : `date_bin(interval '${bucket}', bucket, timestamptz '2000-01-01 00:00:00+00')`

function rolledRows(installation: Installation, rollup: Rollup, where = ''): string {
  const measures = Object.entries(rollup.measures).map(([name, [type, aggregate]]) => {
    const text = aggregate.replaceAll(/:((?:exp_histogram|heavy_hitters|hyperloglog)\w*)/g, (_, called: string) =>
      qualified(installation, called),
    )
    return `(${text})::${type} as ${name}`
  })
  const keys = Object.keys(rollup.keys).join(', ')
  return `select
  ${bucketOf(installation, rollup)} as bucket,
  ${keys},
  ${measures.join(',\n  ')}
from ${qualified(installation, rollup.source)}${where}
group by 1, ${keys}`
}

/** A continuous aggregate; elsewhere a table, and a view that adds what is not rolled yet. */
export function createRollup(installation: Installation, rollup: Rollup): string[] {
  const view = qualified(installation, rollup.name)
  if (installation.timeRung === 'community') {
    return [
      knownTable(installation, rollup.name),
      `create materialized view ${view}
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false, timescaledb.chunk_interval = '${rollup.chunkDays} days') as
${rolledRows(installation, rollup)}
with no data`,
      // Without names: they lie in one schema of TimescaleDB's, whatever ours is, where those of
      // another installation would have the same.
      ...[`${rollup.identity}, bucket`, ...rollup.indexes.map(([, columns]) => columns)].map(
        (columns) => `create index on ${view} (${columns})`,
      ),
    ]
  }
  const rolledUntil = `(select rolled_until from ${qualified(installation, 'pgvantage_time_table')} where name = '${rollup.name}')`
  const columns = ['bucket', ...Object.keys(rollup.keys), ...Object.keys(rollup.measures)]
  return [
    ...timeTable(installation, {
      name: stored(rollup),
      chunkDays: rollup.chunkDays,
      columns: `${[
        'bucket timestamptz not null',
        ...Object.entries(rollup.keys).map(([name, type]) => `${name} ${type} not null`),
        ...Object.entries(rollup.measures).map(([name, [type]]) => `${name} ${type}`),
      ].join(',\n  ')},
  primary key (${rollup.identity}, bucket)`,
    }),
    ...rollup.indexes.map(([name, indexed]) => `create index "${name}" on ${qualified(installation, stored(rollup))} (${indexed})`),
    knownTable(installation, rollup.name),
    `insert into ${qualified(installation, 'pgvantage_stale_bucket')} (rollup, bucket)
select distinct '${rollup.name}', ${bucketOf(installation, rollup)} from ${qualified(installation, rollup.source)}`,
    `create view ${view} as
select ${columns.join(', ')} from ${qualified(installation, stored(rollup))} where bucket < ${rolledUntil}
union all
${rolledRows(installation, rollup, `\nwhere bucket >= ${rolledUntil}`)}`,
  ]
}

/** Triggers that note what a change makes stale; a continuous aggregate knows by itself. */
export function noteStale(installation: Installation, { name, bucket, written }: Rollup): string[] {
  if (installation.timeRung === 'community') return []
  const trigger = (event: string, changed: string) =>
    `create trigger "${name}_stale_after_${event}" after ${event} on ${qualified(installation, written)}
referencing ${changed} for each statement
execute function ${qualified(installation, 'note_stale_buckets')}('${name}', '${bucket}')`
  return [
    trigger('insert', 'new table as changed'),
    trigger('update', 'old table as changed_from new table as changed'),
    trigger('delete', 'old table as changed'),
  ]
}

export const dropRollup = (installation: Installation, rollup: Rollup): string[] =>
  installation.timeRung === 'community'
    ? [`drop materialized view ${qualified(installation, rollup.name)}`]
    : [`drop view ${qualified(installation, rollup.name)}`, `drop table ${qualified(installation, stored(rollup))}`]

export const dropStaleTriggers = (installation: Installation, { name, written }: Rollup): string[] =>
  installation.timeRung === 'community'
    ? []
    : ['insert', 'update', 'delete'].map((event) => `drop trigger ${name}_stale_after_${event} on ${qualified(installation, written)}`)
