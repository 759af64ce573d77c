import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import { schemaOption } from '../../database/installation/schemaOption.ts'
import { findInstallation, type Installation } from '../../database/installation/installation.ts'
import { plainKysely, type AnyKysely } from '../../database/connection/plainKysely.ts'
import { firstBucketFrom } from '../../database/buckets.ts'
import { timeRange, milliseconds, type TimeRange } from '../../database/range.ts'
import { storedIn } from '../../lifecycle/rollups/materialized.ts'
import { chunkNumber, chunkStretch } from '../../lifecycle/partitions/chunkGrid.ts'
import { refreshAggregate } from '../../lifecycle/rollups/refreshAggregate.ts'
import { rollHorizon, rollStretch, unitsOf } from '../../lifecycle/rollups/rollStale.ts'
import type { Rollup } from '../../lifecycle/rollups/rollup.ts'
import type { Stretch } from '../../lifecycle/statement.ts'
import { storableDate } from '../../schema/date.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { parse, parseOptions } from '../../schema/parse.ts'
import { appliedPolicies } from '../policies/appliedPolicies.ts'
import type { MaintenanceUnit } from './maintain.ts'
import { noteDroppedByOthers } from './noteDroppedByOthers.ts'
import { checkedPolicies } from '../policies/checkedPolicies.ts'
import { defaultPolicies, type Policies } from '../policies/defaultPolicies.ts'

export interface RefreshRangeOptions {
  /** A rollup (`metric_1h`), or a table (`metric_1m`) for all its rollups, hours before days. */
  table: string
  /** The buckets that begin in this range. */
  range: TimeRange
  /**
   * Also roll up buckets whose source rows have partly been dropped: the rollup then loses the
   * dropped part too. Default: false.
   */
  force?: boolean
  /** Only needed if the database has several installations. */
  schema?: string
  policies?: Policies
  /** Buckets not settled by this time are skipped: reads take them from the table. Default: now. */
  now?: Date
  /** Stops before the next unit; completed units stay. */
  signal?: AbortSignal
  /** Called after each unit. */
  onStep?: (unit: MaintenanceUnit) => void
}

const refreshOptions = schemaOption.extend({
  policies: z.custom<Policies>().optional(),
  now: storableDate.default(() => new Date()),
  table: z.string(),
  range: timeRange,
  force: z.boolean().default(false),
  signal: z.instanceof(AbortSignal).optional(),
  onStep: z.custom<RefreshRangeOptions['onStep']>().optional(),
})

/**
 * Rolls up every bucket that begins in a range again, stale or not: after a change that the library
 * did not see, or to have it now instead of with the next `maintain`. It works the same on every
 * server.
 *
 * Days are computed from the stored hours. If minutes have changed, name the table, not only the
 * daily rollup.
 *
 * @returns what was rolled up: a day of hours or a month of days per unit; with TimescaleDB's
 * community edition the range as a whole.
 * @throws InvalidInputError if the table has no rollups, the range is empty, `db` is a transaction,
 * or part of the range's source has been dropped and the rollup still has it (unless `force`).
 * @example
 * await refreshRange(db, { table: 'metric_1m', range: last('2 days') })
 */
export async function refreshRange(db: AnyKysely, options: RefreshRangeOptions): Promise<MaintenanceUnit[]> {
  const { schema, policies = defaultPolicies, now, table: asked, range, force, signal, onStep } = parseOptions(refreshOptions, options)
  if (db.isTransaction) throw new InvalidInputError('db', 'must not be a transaction: each unit is rolled up in a transaction of its own')
  const { time } = checkedPolicies(policies)
  const ladders = time.map(({ table, chunk, rollups }) => ({
    table,
    steps: rollups.map(({ rollup, settle }, at) => ({ rollup, settle, source: rollups[at - 1]?.rollup ?? { name: table, chunk } })),
  }))
  const names = ladders.flatMap(({ table, steps }) => [table, ...steps.map(({ rollup }) => rollup.name)])
  parse(z.enum(names), asked, 'table')
  const steps = ladders.flatMap(({ table, steps }) => steps.filter(({ rollup }) => table === asked || rollup.name === asked))

  const plain = plainKysely(db)
  const installation = await findInstallation(plain, schema)
  const applied = await appliedPolicies(plain, installation)
  const wanted = steps.map((step) => {
    const refresh = applied.find(({ kind, object }) => kind === 'refresh' && object === step.rollup.name)
    const settle = refresh?.kind === 'refresh' ? refresh.settings.settle : step.settle
    const horizon = rollHorizon(step.rollup, settle, now)
    const to = firstBucketFrom(step.rollup.bucket, range.to)
    return { ...step, stretch: { from: firstBucketFrom(step.rollup.bucket, range.from), to: to < horizon ? to : horizon } }
  })
  // Everything is checked before anything is changed.
  if (!force) {
    await noteDroppedByOthers(
      plain,
      installation,
      applied,
      wanted.map(({ source }) => source),
    )
    for (const { rollup, source, stretch } of wanted) {
      const retention = applied.find(({ kind, object }) => kind === 'retention' && object === source.name)
      const retained = retention?.kind === 'retention' ? new Date(now.getTime() - milliseconds(retention.settings.retain)) : null
      await refuseClosed(
        plain,
        installation,
        rollup,
        stretch,
        retained === null ? null : chunkStretch(source.chunk, chunkNumber(source.chunk, retained)).from,
      )
    }
  }
  const done: MaintenanceUnit[] = []
  const did = (rollup: Rollup, { from, to }: Stretch, rows: number | null, began: number) => {
    const kind = installation.timeRung === 'community' ? 'refresh' : 'roll'
    const unit: MaintenanceUnit = { kind, object: rollup.name, from, to, rows, ms: performance.now() - began }
    done.push(unit)
    onStep?.(unit)
  }
  for (const { rollup, stretch } of wanted) {
    if (installation.timeRung === 'community') {
      signal?.throwIfAborted()
      const began = performance.now()
      if (stretch.from < stretch.to) {
        await refreshAggregate(plain, installation, rollup, stretch, { force: true })
        did(rollup, stretch, null, began)
      }
      continue
    }
    for (const unit of unitsOf(rollup, await held(plain, installation, rollup, stretch))) {
      signal?.throwIfAborted()
      const began = performance.now()
      const { rows } = await rollStretch(plain, installation, rollup, unit, { force })
      did(rollup, unit, rows, began)
    }
  }
  return done
}

async function refuseClosed(
  db: Kysely<{}>,
  installation: Installation,
  rollup: Rollup,
  { from, to }: Stretch,
  droppedByServer: Date | null,
): Promise<void> {
  const { rows } = await sql<{ dropped: Date }>`
    select greatest(dropped_before, ${droppedByServer?.toISOString() ?? '-infinity'}::timestamptz) as dropped
    from ${sql.id(installation.schema, 'pgvantage_time_table')}
    where name = ${rollup.source} and (isfinite(dropped_before) or ${droppedByServer !== null}::boolean)
  `.execute(db)
  const dropped = rows[0]?.dropped
  if (dropped === undefined || from >= dropped) return
  const stored = await storedIn(db, installation, rollup)
  const { rows: kept } = await sql<{ first: Date | null }>`
    select min(bucket) as first from ${sql.id(stored.schema, stored.name)}
    where bucket >= ${from.toISOString()}::timestamptz and bucket < ${(dropped < to ? dropped : to).toISOString()}::timestamptz
  `.execute(db)
  const first = kept[0]!.first
  if (first === null) return
  throw new InvalidInputError(
    'range.from',
    `${rollup.source} was dropped before ${dropped.toISOString()}, and ${rollup.name} has buckets made from what was dropped, from ${first.toISOString()} on: begin the range later, or lose them with { force: true }`,
  )
}

/**
 * The part of a stretch that has rows, in the rollup or its source: only its buckets need to be
 * rolled up.
 */
async function held(db: Kysely<{}>, installation: Installation, rollup: Rollup, { from, to }: Stretch): Promise<Stretch> {
  const stored = await storedIn(db, installation, rollup)
  const within = sql`bucket >= ${from.toISOString()}::timestamptz and bucket < ${to.toISOString()}::timestamptz`
  const { rows } = await sql<{ first: Date | null; last: Date | null }>`
    select min(first) as first, max(last) as last
    from (
      select min(bucket) as first, max(bucket) as last from ${sql.id(installation.schema, rollup.source)} where ${within}
      union all
      select min(bucket), max(bucket) from ${sql.id(stored.schema, stored.name)} where ${within}
    ) as held
  `.execute(db)
  const { first, last } = rows[0]!
  if (first === null || last === null) return { from, to: from }
  const start = firstBucketFrom(rollup.bucket, new Date(first.getTime() - milliseconds(rollup.bucket) + 1))
  const end = firstBucketFrom(rollup.bucket, new Date(last.getTime() + 1))
  return { from: start < from ? from : start, to: end < to ? end : to }
}
