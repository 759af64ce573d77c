import { sql, type RawBuilder, type Selectable } from 'kysely'
import { dateBinLiteral } from '../database/buckets.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { exactIntervalLiteral } from '../database/sql/exactInterval.ts'
import { readingsOver } from '../lifecycle/rollups/readingsOver.ts'
import type { Reading } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import type { DB } from '../schema/tables.ts'
import { boundedText, urnText } from '../schema/text.ts'
import { sketchLadder } from './sketchPolicy.ts'

export interface SketchFilter {
  /** What is counted: `'user'`, as `ingest` was told. */
  dimension: string
  /** The URN of who reported; every resource when left out. */
  resource?: string
  /** Buckets of five minutes that begin in it count. */
  range: TimeRange
}

export const dimensionName = boundedText(255)

export const sketchFilter = { dimension: dimensionName, resource: urnText.optional(), range: timeRange }

export type SketchTable = Selectable<DB['sketch_5m']>

/**
 * The tenant's sketches in a range, as `sketch`, with who reported them, as `resource`: what every
 * read of this room begins with.
 *
 * @param rows where they are: `sketch_5m`, or what has its columns.
 */
export function sketchRows(
  scope: Scope,
  { dimension, resource, range }: Partial<SketchFilter> & Pick<SketchFilter, 'range'>,
  rows: RawBuilder<SketchTable> = sql`${scope.id('sketch_5m')}`,
) {
  return scope.db
    .selectFrom(rows.as('sketch'))
    .innerJoin(scope.table('dim_resource', 'resource'), (join) =>
      join.onRef('resource.tenant_id', '=', 'sketch.tenant_id').onRef('resource.resource_id', '=', 'sketch.resource_id'),
    )
    .where('sketch.tenant_id', '=', scope.tenantId)
    .where('sketch.bucket', '>=', range.from)
    .where('sketch.bucket', '<', range.to)
    .$if(dimension !== undefined, (sketches) => sketches.where('sketch.dimension', '=', dimension!))
    .$if(resource !== undefined, (sketches) => sketches.where('resource.urn', '=', resource!))
}

/**
 * The sketches that together cover a range, as few as possible: whole days from `sketch_1d`, hours
 * and five minutes around them. Sketches merge without loss, so that the answer is that of all five
 * minutes; where some of these came after their hour was rolled, they are read instead of it.
 */
export function sketchesOver(scope: Scope, filter: Partial<SketchFilter> & Pick<SketchFilter, 'range'>) {
  const part = (range: TimeRange, rows?: RawBuilder<SketchTable>) =>
    sketchRows(scope, { ...filter, range }, rows).select([
      'resource.resource_id',
      'resource.urn',
      'sketch.dimension',
      'sketch.count_total',
      'sketch.count_error',
      'sketch.distinct_sketch',
      'sketch.error_sketch',
      'sketch.heavy_hitters',
    ])
  const parts = readingsOver(scope, sketchLadder, filter.range).flatMap((reading) => {
    const rows = part(reading.range, rowsOf(scope, sketchLadder, reading))
    const stale = staleBuckets(scope, reading)
    if (stale === null) return [rows]
    return [
      rows.where(sql<boolean>`sketch.bucket <> all (${stale})`),
      part(reading.range).innerJoin(sql<{ bucket: Date }>`pg_catalog.unnest(${stale})`.as(sql<'stale'>`stale (bucket)`), (join) =>
        join.on(sql<boolean>`sketch.bucket >= stale.bucket and sketch.bucket < stale.bucket + ${exactIntervalLiteral(reading.every)}`),
      ),
    ]
  })
  const [first, ...rest] = parts
  // An empty range has no readings.
  return rest.reduce((all, more) => all.unionAll(more), first ?? part(filter.range))
}

/**
 * The buckets of a rollup that do not hold all of the five minutes: what was written to these since
 * is noted for the hours, and for the days once the hours are rolled. Null for the five minutes,
 * and where that is not known: a continuous aggregate shows such rows after its next refresh.
 *
 * An array: of a table that nobody analyses the planner expects hundreds of buckets, and takes the
 * statement for one that is worth workers and compilation.
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
