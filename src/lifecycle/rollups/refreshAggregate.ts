import { sql, type Kysely } from 'kysely'
import { quoteLiteral } from '../../database/sql/identifier.ts'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { milliseconds } from '../../database/range.ts'
import { storedIn } from './materialized.ts'
import { runsOf } from './rollBuckets.ts'
import { bucketOf, type Rollup } from './rollup.ts'
import { execute, type Stretch } from '../statement.ts'
import { timescale } from '../timescale.ts'

/** A stretch of a continuous aggregate; an end that is null is open. */
export interface RefreshWindow {
  readonly from: Date | null
  readonly to: Date | null
}

/**
 * Lets TimescaleDB roll up what has changed in a stretch of a continuous aggregate. It logs
 * changes, so unchanged buckets cost nothing.
 *
 * Not in a transaction: the server refuses it there.
 *
 * @param options `force` also rolls up what has not changed.
 */
export async function refreshAggregate(
  db: Kysely<{}>,
  installation: Installation,
  { name }: Pick<Rollup, 'name'>,
  { from, to }: RefreshWindow,
  { force = false }: { force?: boolean } = {},
): Promise<void> {
  const procedure = await timescale(db, 'refresh_continuous_aggregate')
  const end = (moment: Date | null) => (moment === null ? 'null' : `timestamptz ${quoteLiteral(moment.toISOString())}`)
  const aggregate = `${quoteLiteral(qualified(installation, name))}::regclass`
  const call = `call ${procedure}(${aggregate}, ${end(from)}, ${end(to)}${force ? ', force => true' : ''})`
  await db.connection().execute((connection) => execute(connection, call))
}

/**
 * The parts of a stretch of a continuous aggregate that TimescaleDB knows to have changed since
 * they were rolled up.
 */
export async function invalidStretches(
  db: Kysely<{}>,
  installation: Installation,
  { name }: Pick<Rollup, 'name'>,
  { from, to }: RefreshWindow,
): Promise<RefreshWindow[]> {
  const isOurs = sql`aggregate.user_view_schema = ${installation.schema} and aggregate.user_view_name = ${name}`
  const start = sql`${from?.toISOString() ?? null}::timestamptz`
  const end = sql`${to?.toISOString() ?? null}::timestamptz`
  const { rows } = await sql<RefreshWindow>`
    with log as (
      select changed.lowest_modified_value as lowest, changed.greatest_modified_value as greatest
      from _timescaledb_catalog.continuous_agg as aggregate
      join _timescaledb_catalog.continuous_aggs_materialization_invalidation_log as changed
        on changed.materialization_id = aggregate.mat_hypertable_id
      where ${isOurs}
      union all
      select changed.lowest_modified_value, changed.greatest_modified_value
      from _timescaledb_catalog.continuous_agg as aggregate
      join _timescaledb_catalog.continuous_aggs_hypertable_invalidation_log as changed
        on changed.hypertable_id = aggregate.raw_hypertable_id
      where ${isOurs}
    ), dated as (
      select
        greatest(lowest, (extract(epoch from timestamptz '0001-01-01 00:00:00+00') * 1e6)::int8) as lowest,
        least(greatest, (extract(epoch from timestamptz '9999-01-01 00:00:00+00') * 1e6)::int8) as greatest
      from log
      -- A leftover of a refresh of everything: the time before TimescaleDB's least.
      where greatest >= -210866803200000000
    )
    select
      timestamptz 'epoch' + lowest::float8 * interval '1 microsecond' as "from",
      timestamptz 'epoch' + (greatest + 1)::float8 * interval '1 microsecond' as "to"
    from dated
    where (${start} is null or greatest >= (extract(epoch from ${start}) * 1e6)::int8)
      and (${end} is null or lowest < (extract(epoch from ${end}) * 1e6)::int8)
    order by 1
  `.execute(db)
  return rows
}

/**
 * Changed buckets from before the time that is still complete: those that can still be rolled up,
 * and those that cannot.
 */
export interface ClosedBuckets {
  readonly open: readonly Stretch[]
  readonly tooLate: readonly Date[]
}

/**
 * Rows that arrived late: changed buckets before `closed`, where the source may have been dropped,
 * for which it has rows. A bucket that the rollup does not have can be rolled up from them; any
 * other contains dropped rows and must stay as it is.
 */
export async function closedBuckets(db: Kysely<{}>, installation: Installation, rollup: Rollup, closed: Date): Promise<ClosedBuckets> {
  const invalid = await invalidStretches(db, installation, rollup, { from: null, to: closed })
  if (invalid.length === 0) return { open: [], tooLate: [] }
  const place = await storedIn(db, installation, rollup)
  const before = closed.toISOString()
  const { rows } = await sql<{ bucket: Date; rolled: boolean }>`
    with late as (
      select distinct ${sql.raw(bucketOf(installation, rollup))} as bucket
      from ${sql.id(installation.schema, rollup.source)}
      where bucket < ${before}
    )
    select late.bucket, exists (select from ${sql.id(place.schema, place.name)} as stored where stored.bucket = late.bucket) as rolled
    from late
    where late.bucket < ${before}
    order by 1
  `.execute(db)
  const length = milliseconds(rollup.bucket)
  const changed = rows.filter(({ bucket }) =>
    invalid.some(({ from, to }) => (from === null || from.getTime() < bucket.getTime() + length) && (to === null || to > bucket)),
  )
  return {
    open: runsOf(
      rollup,
      changed.flatMap(({ bucket, rolled }) => (rolled ? [] : [bucket])),
    ),
    tooLate: changed.flatMap(({ bucket, rolled }) => (rolled ? [bucket] : [])),
  }
}
