import { compareBytes } from '../../../schema/compareBytes.ts'
import { HeavyHitters } from '../../../sketch/heavyHitters/heavyHitters.ts'
import { Hll } from '../../../sketch/hll/hll.ts'
import type { DimensionValue } from '../../records/dimensionValues.ts'
import type { SketchRow } from '../windows/ingestWindow.ts'

/** How often an item occurred, and how often with an error. */
interface Count {
  total: number
  errors: number
}

/** How often each item of a dimension occurred in the records of one resource. */
export interface CountedValues {
  resource: string
  dimension: string
  items: Map<string, Count>
}

/** Counts the values of one window's records, in any order. */
export class ValueTally {
  readonly #counted = new Map<string, CountedValues>()

  add(resource: string, { dimension, item }: DimensionValue, failed: boolean): void {
    this.#count(resource, dimension, item, 1, failed ? 1 : 0)
  }

  /** Adds the counts of another tally. */
  merge({ resource, dimension, items }: CountedValues): void {
    for (const [item, { total, errors }] of items) this.#count(resource, dimension, item, total, errors)
  }

  /** All counts. */
  counted(): Iterable<Readonly<CountedValues>> {
    return this.#counted.values()
  }

  has(resource: string, dimension: string): boolean {
    return this.#counted.has(keyOf(resource, dimension))
  }

  rows(from: number): SketchRow[] {
    const sorted = [...this.#counted].sort(([a], [b]) => (a < b ? -1 : 1))
    return sorted.map(([, { resource, dimension, items }]) => {
      const entries = [...items].sort(([a], [b]) => compareBytes(a, b))
      const failed = entries.filter(([, { errors }]) => errors > 0)
      const counters: Record<string, number> = Object.create(null)
      for (const [item, { total }] of entries) counters[item] = total
      const countTotal = entries.reduce((sum, [, { total }]) => sum + total, 0)
      return {
        bucket: new Date(from),
        resource,
        dimension,
        countTotal,
        countError: failed.reduce((sum, [, { errors }]) => sum + errors, 0),
        distinct: sketchOf(entries),
        distinctError: failed.length === 0 ? null : sketchOf(failed),
        // Shortened only here, from exact counts.
        heavyHitters: HeavyHitters.merge([{ n: countTotal, offset: 0, counters }]).toJSON(),
      }
    })
  }

  #count(resource: string, dimension: string, item: string, total: number, errors: number): void {
    const key = keyOf(resource, dimension)
    let counted = this.#counted.get(key)
    if (counted === undefined) this.#counted.set(key, (counted = { resource, dimension, items: new Map() }))
    const count = counted.items.get(item)
    if (count === undefined) counted.items.set(item, { total, errors })
    else {
      count.total += total
      count.errors += errors
    }
  }
}

const keyOf = (resource: string, dimension: string) => `${resource}\0${dimension}`

function sketchOf(entries: readonly (readonly [string, unknown])[]): string {
  const sketch = Hll.create()
  for (const [item] of entries) sketch.add(item)
  return sketch.toString()
}
