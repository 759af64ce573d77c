import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { SketchRow } from '../rollups/windows/ingestWindow.ts'
import { compareBytes } from '../../schema/compareBytes.ts'
import { byId } from './byId.ts'
import { jsonChunks } from './jsonChunks.ts'

/** The sketches of a window in the order of their keys, in which they are written. */
export function sketchesInOrder(sketches: readonly SketchRow[], resourceIds: ReadonlyMap<string, string>): SketchRow[] {
  const id = (row: SketchRow) => resourceIds.get(row.resource)!
  return sketches.toSorted((a, b) => byId(id(a), id(b)) || compareBytes(a.dimension, b.dimension))
}

/**
 * Writes the sketches of a window's values, in their order.
 *
 * @returns how many rows were written; the others were there, unchanged.
 */
export async function writeSketches(
  scope: Scope,
  sketches: readonly SketchRow[],
  resourceIds: ReadonlyMap<string, string>,
): Promise<number> {
  const rows = sketches.map((row) => ({
    bucket: row.bucket,
    resource_id: resourceIds.get(row.resource),
    dimension: row.dimension,
    count_total: row.countTotal,
    count_error: row.countError,
    distinct_sketch: row.distinct,
    error_sketch: row.distinctError,
    heavy_hitters: row.heavyHitters,
  }))
  let written = 0n
  for (const chunk of jsonChunks(rows)) {
    const { numAffectedRows = 0n } = await sql`
      insert into ${scope.id('sketch_5m')} as sketch
        (bucket, tenant_id, resource_id, dimension, count_total, count_error, distinct_sketch, error_sketch, heavy_hitters)
      select bucket, ${scope.tenantId}::int8, resource_id, dimension, count_total, count_error, distinct_sketch, error_sketch, heavy_hitters
      from jsonb_to_recordset(${chunk}::jsonb) as row (
        bucket timestamptz, resource_id int8, dimension text, count_total int8, count_error int8,
        distinct_sketch bytea, error_sketch bytea, heavy_hitters jsonb
      )
      on conflict (tenant_id, resource_id, dimension, bucket) do update set
        count_total = excluded.count_total,
        count_error = excluded.count_error,
        distinct_sketch = excluded.distinct_sketch,
        error_sketch = excluded.error_sketch,
        heavy_hitters = excluded.heavy_hitters
      where (sketch.count_total, sketch.count_error, sketch.distinct_sketch, sketch.error_sketch, sketch.heavy_hitters)
        is distinct from
        (excluded.count_total, excluded.count_error, excluded.distinct_sketch, excluded.error_sketch, excluded.heavy_hitters)
    `.execute(scope.db)
    written += numAffectedRows
  }
  return Number(written)
}
