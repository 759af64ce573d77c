import { sql, type RawBuilder, type Selectable } from 'kysely'
import { dateBinLiteral } from '../database/buckets.ts'
import { milliseconds, timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { exactIntervalLiteral } from '../database/sql/exactInterval.ts'
import { readingsOver } from '../lifecycle/rollups/readingsOver.ts'
import type { Reading } from '../lifecycle/rollups/resolution.ts'
import { noRowsIfHeld, rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import type { DB } from '../schema/tables.ts'
import { boundedText, urnText } from '../schema/text.ts'
import { sketchLadder } from './sketchPolicy.ts'

export interface SketchFilter {
  /** The dimension that is counted, as given to `ingest`: `'user'`. */
  dimension: string
  /** The URN of the reporting resource; every resource if it is not given. */
  resource?: string
  /** Five-minute buckets that begin in it count. */
  range: TimeRange
}

export const dimensionName = boundedText(255)

export const sketchFilter = { dimension: dimensionName, resource: urnText.optional(), range: timeRange }

export type SketchTable = Selectable<DB['sketch_5m']>

/** One resource or several, as `overlap` takes them. */
type SketchSource = Partial<Omit<SketchFilter, 'resource'>> & Pick<SketchFilter, 'range'> & { resource?: string | readonly string[] }

/**
 * The tenant's sketches in a range, as `sketch`. Every read of this room starts with it.
 *
 * It does not join the reporting resources: for a catalog without statistics the planner expects
 * one row, and would read the sketches of each resource separately. Reads that need names join them
 * to the merged rows, by `reportedBy`.
 *
 * @param rows the source: `sketch_5m`, or a table with its columns.
 */
export function sketchRows(
  scope: Scope,
  { dimension, resource, range }: SketchSource,
  rows: RawBuilder<SketchTable> = sql`${scope.id('sketch_5m')}`,
) {
  return scope.db
    .selectFrom(rows.as('sketch'))
    .where('sketch.tenant_id', '=', scope.tenantId)
    .where('sketch.bucket', '>=', range.from)
    .where('sketch.bucket', '<', range.to)
    .$if(dimension !== undefined, (sketches) => sketches.where('sketch.dimension', '=', dimension!))
    .$if(resource !== undefined, (sketches) => sketches.where(isOf(scope, resource!)).where(requireResources(scope, [resource!].flat())))
}

/** More resources than an index finds quickly, one by one. */
const few = 20

/** As values, not as a join; many are looked up in a hash, as values they would be compared one by one. */
function isOf(scope: Scope, resource: string | readonly string[]): RawBuilder<boolean> {
  const ids = scope.db
    .selectFrom(scope.table('dim_resource', 'resource'))
    .where('resource.tenant_id', '=', scope.tenantId)
    .select('resource_id')
  if (typeof resource === 'string') return sql`sketch.resource_id = ${ids.where('resource.urn', '=', resource)}`
  const given = ids.where(sql<boolean>`resource.urn = any(${resource}::text[])`)
  return resource.length > few ? sql`(sketch.resource_id in ${given}) is true` : sql`sketch.resource_id = any (array(${given}))`
}

/**
 * Joins the rows of `alias` with the resource that reported them, as `resource`.
 * @example
 * sql`select resource.urn from merged ${reportedBy(scope, 'merged')}`
 * // select resource.urn from merged join "public"."dim_resource" as resource
 * //   on resource.tenant_id = $1::int8 and resource.resource_id = "merged"."resource_id"
 */
export const reportedBy = (scope: Scope, alias: string): RawBuilder<unknown> =>
  sql`join ${scope.id('dim_resource')} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = ${sql.ref(`${alias}.resource_id`)}`

/**
 * The fewest sketches that together cover a range: whole days from `sketch_1d`, with hours and five
 * minutes around them. Sketches merge without loss, so the answer equals that of all five minutes.
 * If some of these arrived after their hour was rolled up, they are read instead of it.
 */
export function sketchesOver(scope: Scope, filter: SketchSource) {
  const [first, ...rest] = sketchParts(scope, filter)
  return rest.reduce((all, more) => all.unionAll(more), first)
}

/**
 * The selects whose rows together are those of `sketchesOver`. If each is merged separately first,
 * the server decides for each whether parallel workers are worth it.
 */
export function sketchParts(scope: Scope, filter: SketchSource) {
  const part = (range: TimeRange, rows?: RawBuilder<SketchTable>) =>
    sketchRows(scope, { ...filter, range }, rows).select([
      'sketch.resource_id',
      'sketch.dimension',
      'sketch.count_total',
      'sketch.count_error',
      'sketch.distinct_sketch',
      'sketch.error_sketch',
      'sketch.heavy_hitters',
    ])
  const parts = readingsOver(scope, sketchLadder, filter.range).flatMap((reading) => {
    const rows = part(reading.range, rowsOf(scope, sketchLadder, { ...reading, chosen: false }))
    const guard = noRowsIfHeld(scope, sketchLadder, reading)
    const guarded = guard === null ? [] : [part(reading.range, sql`(${guard})`)]
    const stale = staleBuckets(scope, reading)
    if (stale === null) return [rows, ...guarded]
    return [
      rows.where(sql<boolean>`sketch.bucket <> all (${stale})`),
      ...guarded,
      part(reading.range).where(sql<boolean>`sketch.bucket = any (${fiveMinutesOf(stale, reading)})`),
    ]
  })
  const [first = part(filter.range), ...rest] = parts
  return [first, ...rest] as const
}

/**
 * The five-minute buckets of some longer buckets; `sketch_5m` has no others. They are given as
 * values: between two times that it does not know, the planner expects a third of the table.
 */
const fiveMinutesOf = (buckets: RawBuilder<Date[]>, { every }: Reading): RawBuilder<Date[]> => sql`array(
    select stale.bucket + number::float8 * ${exactIntervalLiteral(sketchLadder.bucket)}
    from pg_catalog.unnest(${buckets}) as stale (bucket)
    cross join pg_catalog.generate_series(0, ${sql.lit(milliseconds(every) / milliseconds(sketchLadder.bucket) - 1)}) as number
  )`

/**
 * The buckets of a rollup that do not hold all of their five minutes, because rows arrived later.
 * This is noted for the hours, and for the days once the hours are rolled up. Null for the five
 * minutes themselves, and where it is not known: a continuous aggregate shows such rows after its
 * next refresh.
 *
 * They are an array, because for a table without statistics the planner expects hundreds of
 * buckets, and would then plan parallel workers and JIT compilation.
 */
function staleBuckets(scope: Scope, { table, every, range }: Reading): RawBuilder<Date[]> | null {
  const at = sketchLadder.rollups.findIndex(({ name }) => name === table)
  if (at === -1 || !scope.timesKnown || scope.installation.timeRung === 'community') return null
  const noted = sketchLadder.rollups.slice(0, at + 1).map(({ name }) => sql.lit(name))
  return sql`array(
    select distinct ${dateBinLiteral(every, sql.ref('noted.bucket'))} as bucket
    from ${scope.id('pgvantage_stale_bucket')} as noted
    where noted.rollup in (${sql.join(noted)}) and noted.bucket >= ${range.from} and noted.bucket < ${range.to}
  )`
}
