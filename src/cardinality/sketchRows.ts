import { sql, type RawBuilder, type Selectable } from 'kysely'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { readingsOver } from '../lifecycle/rollups/readingsOver.ts'
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
 * minutes.
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
  const readings = readingsOver(scope, sketchLadder, filter.range)
  const [first, ...rest] = readings.map((reading) => part(reading.range, rowsOf(scope, sketchLadder, reading)))
  // An empty range has no readings.
  return rest.reduce((all, more) => all.unionAll(more), first ?? part(filter.range))
}
