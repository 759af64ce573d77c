import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { quoteIdentifier, quoteLiteral } from '../../database/sql/identifier.ts'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { sqlText } from '../../database/sql/sqlText.ts'
import { timeTable } from '../partitions/timeTable.ts'

/** Names a function that `sql/` installs, schema-qualified: `scope.id`. */
export type InstalledFunction = Scope['id']

/**
 * A coarser rollup: a table that the database computes from a finer one, by merging the rows of an
 * hour (or a day) with the same key.
 */
export interface Rollup {
  /** `metric_1h`. */
  readonly name: string
  /** The table it is computed from: a time table, or a finer rollup of it. */
  readonly source: string
  /** The length of its buckets, aligned in UTC: `'1 hour'`. */
  readonly bucket: string
  /** The length of its chunks or partitions. */
  readonly chunk: string
  /** The columns of the source, with their types, that merged rows have in common. */
  readonly keys: Readonly<Record<string, string>>
  /** The keys that, with the bucket, identify a row. */
  readonly identity: readonly string[]
  /**
   * The aggregated columns: their types, and aggregates over the columns of the source, without
   * parameters.
   */
  readonly measures: Readonly<Record<string, { readonly type: string; readonly of: (fn: InstalledFunction) => RawBuilder<unknown> }>>
  /** Indexes besides the one on its identity: lists of columns, including the bucket. */
  readonly indexes: readonly string[]
}

/**
 * The table with the rolled-up rows on a server without continuous aggregates; the rollup itself is
 * a view over it.
 */
export const storedTable = (rollup: Pick<Rollup, 'name'>): string => `${rollup.name}_stored`

/** The columns of a rollup, in order. */
export const rollupColumns = ({ keys, measures }: Rollup): string[] => ['bucket', ...Object.keys(keys), ...Object.keys(measures)]

/**
 * The statements that create a rollup under its name, for the server's rung.
 *
 * With TimescaleDB's community edition it is a real-time continuous aggregate, empty until it is
 * refreshed. Without, the rows are in a time table of their own, and the rollup is a view that adds
 * what is not rolled up yet: the same answers. Triggers record writes to the source, bucket by
 * bucket, in `pgvantage_stale_bucket`, and `maintain` rolls those buckets up.
 */
export function createRollup(installation: Installation, rollup: Rollup, now = new Date()): string[] {
  const view = qualified(installation, rollup.name)
  const known = `insert into ${qualified(installation, 'pgvantage_time_table')} (name) values (${quoteLiteral(rollup.name)})`
  if (installation.timeRung === 'community') {
    return [
      known,
      `create materialized view ${view}
with (timescaledb.continuous, timescaledb.materialized_only = false, timescaledb.create_group_indexes = false, timescaledb.chunk_interval = ${quoteLiteral(rollup.chunk)}) as
${rolledRows(installation, rollup)}
with no data`,
      // Without names: all such indexes are in one schema of TimescaleDB, where another
      // installation's would have the same names.
      ...[`${rollup.identity.join(', ')}, bucket`, ...rollup.indexes].map((columns) => `create index on ${view} (${columns})`),
    ]
  }
  const stored = storedTable(rollup)
  return [
    ...timeTable(
      installation,
      {
        name: stored,
        time: 'bucket',
        chunk: rollup.chunk,
        columns: `${[
          'bucket timestamptz not null',
          ...Object.entries(rollup.keys).map(([name, type]) => `${name} ${type} not null`),
          ...Object.entries(rollup.measures).map(([name, { type }]) => `${name} ${type}`),
        ].join(',\n  ')},
  primary key (${rollup.identity.join(', ')}, bucket)`,
      },
      now,
    ),
    ...rollup.indexes.map(
      (columns) =>
        `create index ${quoteIdentifier(`idx_${rollup.name}_${columns.split(/\W/)[0]}`)} on ${qualified(installation, stored)} (${columns})`,
    ),
    known,
    `insert into ${qualified(installation, 'pgvantage_stale_bucket')} (rollup, bucket)
select distinct ${quoteLiteral(rollup.name)}, ${bucketOf(installation, rollup)} from ${qualified(installation, rollup.source)}`,
    `create view ${view} as
select ${rollupColumns(rollup).join(', ')} from ${qualified(installation, stored)} where bucket < ${rolledUntil(installation, rollup)}
union all
${rolledRows(installation, rollup, `bucket >= ${rolledUntil(installation, rollup)}`)}`,
  ]
}

/**
 * The statements that make a table record which buckets of a rollup its changes make stale; an
 * empty array if the server does that itself.
 *
 * @param on the table that rows are written to: the source, or the storage of a finer rollup.
 */
export function noteStaleBuckets(installation: Installation, rollup: Rollup, on: string): string[] {
  if (installation.timeRung === 'community') return []
  const trigger = (event: string, changed: string) =>
    `create trigger ${quoteIdentifier(`${rollup.name}_stale_after_${event}`)} after ${event} on ${qualified(installation, on)}
referencing ${changed} for each statement
execute function ${qualified(installation, 'note_stale_buckets')}(${quoteLiteral(rollup.name)}, ${quoteLiteral(rollup.bucket)})`
  return [
    trigger('insert', 'new table as changed'),
    trigger('update', 'old table as changed_from new table as changed'),
    trigger('delete', 'old table as changed'),
  ]
}

/**
 * A select of the rollup's rows, computed from its source, or from a relation with the source's
 * columns.
 */
export function rolledRows(
  installation: Installation,
  rollup: Rollup,
  where?: string,
  from = qualified(installation, rollup.source),
): string {
  return `select
  ${rolledColumns(installation, rollup)}
from ${from}${where === undefined ? '' : `\nwhere ${where}`}
group by ${rolledKeys(rollup)}`
}

/**
 * The select list of `rolledRows`, for a query with parameters: the columns of the rollup, in
 * order.
 */
export function rolledColumns(installation: Installation, rollup: Rollup): string {
  const fn: InstalledFunction = (name) => sql.raw(qualified(installation, name))
  const measures = Object.entries(rollup.measures).map(([name, { type, of }]) => `(${sqlText(of(fn))})::${type} as ${name}`)
  return [`${bucketOf(installation, rollup)} as bucket`, Object.keys(rollup.keys).join(', '), ...measures].join(',\n  ')
}

/** The grouping of `rolledRows`. */
export const rolledKeys = ({ keys }: Pick<Rollup, 'keys'>): string => ['1', ...Object.keys(keys)].join(', ')

/**
 * The bucket of the rollup that contains a row of its source. A continuous aggregate requires
 * TimescaleDB's own function for it.
 */
export const bucketOf = ({ timeRung }: Pick<Installation, 'timeRung'>, { bucket }: Pick<Rollup, 'bucket'>): string =>
  timeRung === 'community'
    ? `time_bucket(interval ${quoteLiteral(bucket)}, bucket)`
    : `date_bin(interval ${quoteLiteral(bucket)}, bucket, timestamptz ${quoteLiteral(origin)})`

/**
 * As in the views of the migrations. Hours and days counted from here are the same as those counted
 * from the origin of all buckets.
 */
const origin = '2000-01-01 00:00:00+00'

/** The time up to which a rollup's rows are stored, read when the statement runs. */
export const rolledUntil = (installation: Pick<Installation, 'schema'>, { name }: Pick<Rollup, 'name'>): string =>
  `(select rolled_until from ${qualified(installation, 'pgvantage_time_table')} where name = ${quoteLiteral(name)})`
