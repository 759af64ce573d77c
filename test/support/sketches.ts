import { writeSketches } from '../../src/ingest/writer/writeSketches.ts'
import { ValueTally } from '../../src/ingest/rollups/sketches/valueTally.ts'
import type { Scope } from '../../src/database/scope.ts'
import { services } from './rows.ts'

export interface SketchInput {
  bucket: Date
  /** The resource's URN. */
  resource: string
  dimension: string
  /** Each value as often as it came. */
  items: readonly string[]
  /** Those of them that came with an error, once more. */
  failed?: readonly string[]
}

/** Writes rows of `sketch_5m`, and the services they name. */
export async function insertSketches(scope: Scope, rows: readonly SketchInput[]): Promise<void> {
  const ids = await services(
    scope,
    rows.map(({ resource }) => resource),
  )
  const tallies = new Map<number, ValueTally>()
  for (const { bucket, resource, dimension, items, failed = [] } of rows) {
    let tally = tallies.get(bucket.getTime())
    if (tally === undefined) tallies.set(bucket.getTime(), (tally = new ValueTally()))
    for (const item of items) tally.add(resource, { dimension, item }, false)
    for (const item of failed) tally.add(resource, { dimension, item }, true)
  }
  const sketches = [...tallies].flatMap(([from, tally]) => tally.rows(from))
  await writeSketches(scope, sketches, ids)
}
