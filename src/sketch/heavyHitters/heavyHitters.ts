import { z } from 'zod'
import { compareBytes } from '../../schema/compareBytes.ts'
import { InvalidInputError } from '../../schema/errors.ts'
import { parse, parseOptions, preview } from '../../schema/parse.ts'
import { storableText } from '../../schema/text.ts'

/**
 * The heaviest items of a stream as `jsonb` stores them.
 *
 * The true count of an item is in `[count, count + offset]`; `count` is 0 for an item that
 * `counters` does not have. `offset` is at most `n / (capacity + 1)`, for the smallest capacity of
 * all merged parts. It is 0 while every item has its own counter; then all counts are exact.
 */
export interface HeavyHittersJson {
  /** The exact total weight of all that was added. */
  n: number
  /** The most by which a count may be too low. */
  offset: number
  /** Counts by item, whole numbers from 1. At most `capacity` items. */
  counters: Record<string, number>
}

/** The options of a sketch. */
export interface HeavyHittersOptions {
  /** The number of items with a counter: 1 to 65,536. Default 256, which takes about 8 kB. */
  capacity?: number
}

/** An item that may be among the heaviest, and how sure that is. */
export interface HeavyHitter {
  item: string
  /** The smallest possible count of the item. */
  min_count: number
  /** The largest possible count of the item. */
  max_count: number
  /** Whether it is among the heaviest `k` for all possible true counts. */
  certain: boolean
  /** Whether the rows have all of the heaviest `k`; false if one may be missing. */
  complete: boolean
}

export const defaultCapacity = 256

export const capacityOption = z.int().min(1).max(65536).default(defaultCapacity)

const heavyHittersOptions = z.strictObject({ capacity: capacityOption })

const wholeNumber = z.int().min(0)

/**
 * What is read from the database. The schema does not copy the counters: a copy would lose an item
 * named `__proto__`.
 */
const storedSketch = z.strictObject({
  n: wholeNumber,
  offset: wholeNumber,
  counters: z.custom<Record<string, number>>(
    (value) => typeof value === 'object' && value !== null && !Array.isArray(value),
    'must be an object of counts',
  ),
})

/**
 * A growing sketch has this many times its capacity of counters: items are removed in batches,
 * which costs less for each item and loses less.
 */
const room = 4

/**
 * Counts the heaviest items of a stream of any length in constant memory: a Misra-Gries sketch that
 * can be merged.
 *
 * | | |
 * |---|---|
 * | a count | the true one is in `[count, count + offset]` |
 * | `offset` | at most `n / (capacity + 1)`, also after any tree of merges; for different capacities the smallest of them counts |
 * | an item above `n / capacity` | is never missing |
 * | total weight | up to 2^53 - 1, exact |
 * | same content | same bytes, here and in SQL (`heavy_hitters_merge` and `heavy_hitters_top` from sql/) |
 *
 * The content may depend on the order of `add`; the interval of each count is right in any order.
 * Items added in sorted order give the same sketch, even if the weight of an item is split. Parts
 * that are merged at once give the same in any order; a merge of merges may differ from a merge at
 * once.
 *
 * Literature: Agarwal, Cormode, Huang, Phillips, Wei, Yi, "Mergeable summaries" (PODS 2012); for
 * decrements in batches: Anderson, Bevan, Lang, Liberty, Rhodes, Thaler, "A high-performance
 * algorithm for identifying frequent items in data streams" (IMC 2017).
 *
 * @example
 * const clients = HeavyHitters.create({ capacity: 64 })
 * clients.add('10.0.0.7')
 * clients.add('10.0.0.9', 12)
 * clients.top(1) // [{ item: '10.0.0.9', min_count: 12, max_count: 12, certain: true, complete: true }]
 */
export class HeavyHitters {
  readonly capacity: number
  #n = 0
  #offset = 0
  #counts = new Map<string, number>()

  private constructor(capacity: number) {
    this.capacity = capacity
  }

  /**
   * An empty sketch.
   *
   * @throws InvalidInputError if `capacity` is not a whole number from 1 to 65,536.
   */
  static create(options: HeavyHittersOptions = {}): HeavyHitters {
    return new HeavyHitters(parseOptions(heavyHittersOptions, options).capacity)
  }

  /**
   * Restores a sketch from the database. If its capacity is greater than `capacity`, only its
   * heaviest counters are kept.
   *
   * @throws InvalidInputError naming the field that does not match {@link HeavyHittersJson}.
   */
  static fromJSON(json: unknown, options: HeavyHittersOptions = {}): HeavyHitters {
    const sketch = HeavyHitters.create(options)
    sketch.#take(checked(json, 'sketch'))
    sketch.#compress(sketch.capacity)
    return sketch
  }

  /**
   * Merges all parts: counts are added, then cut once to `capacity`. The order of the parts does
   * not matter. In SQL it is the aggregate `heavy_hitters_merge(sketch)`.
   *
   * @param parts sketches, or their stored form; null is skipped.
   * @throws InvalidInputError if a part is not a sketch, or all together weigh more than 2^53 - 1.
   * @example
   * const day = HeavyHitters.merge(rows.map((row) => row.sketch))
   * day.top(10)
   */
  static merge(parts: Iterable<HeavyHitters | HeavyHittersJson | null>, options: HeavyHittersOptions = {}): HeavyHitters {
    const merged = HeavyHitters.create(options)
    let index = 0
    for (const part of parts) {
      if (part instanceof HeavyHitters) merged.#take(part.#compressed())
      else if (part !== null) merged.#take(checked(part, `parts[${index}]`))
      index += 1
    }
    merged.#compress(merged.capacity)
    return merged
  }

  /** The total weight of all that was added. */
  get n(): number {
    return this.#n
  }

  /**
   * Counts an item.
   *
   * @param item text that PostgreSQL can store; the empty text is also an item.
   * @param weight how often the item occurred: a whole number, at least 1.
   * @throws InvalidInputError if one of them is invalid, or if the total weight would exceed 2^53 -
   * 1.
   */
  add(item: string, weight = 1): void {
    if (!Number.isSafeInteger(weight) || weight < 1) {
      throw new InvalidInputError('weight', `must be a whole number from 1 to 2^53 - 1, got ${preview(weight)}`)
    }
    const known = this.#counts.get(item)
    if (known === undefined) parse(storableText, item, 'item')
    this.#weigh(weight)
    // Before the new item comes in, so that all its consecutive weight counts before anything is
    // cut.
    if (known === undefined && this.#counts.size >= this.capacity * room) this.#compress((this.capacity * room) / 2)
    this.#counts.set(item, (known ?? 0) + weight)
  }

  /**
   * The items that may be among the `k` heaviest, heaviest first, then by their bytes. `certain`
   * marks those that surely are. Of items with equal true counts, the one with the smaller bytes
   * counts as heavier.
   *
   * | | |
   * |---|---|
   * | no false positives | an item with `certain` is one of the true `k` |
   * | no false negatives | with `complete`, no item of the true `k` is missing; there may be more than `k` rows |
   *
   * In SQL it is `heavy_hitters_top(sketch, k)`.
   *
   * @throws InvalidInputError if `k` is not a whole number, at least 1.
   */
  top(k: number): HeavyHitter[] {
    parse(z.int().min(1), k, 'k')
    const { offset, counts } = this.#compressed()
    const ranked = [...counts].sort(([a, countA], [b, countB]) => countB - countA || compareBytes(a, b))
    /** Whether the item with one count comes before the item with another, different count. */
    const before = ([a, countA]: [string, number], [b, countB]: [string, number]) =>
      countA > countB || (countA === countB && compareBytes(a, b) < 0)
    const most = ([item, count]: [string, number]): [string, number] => [item, count + offset]
    const last = ranked[k - 1]
    const next = ranked[k]
    const complete = offset === 0 || (last !== undefined && last[1] > offset)
    return ranked
      .filter((each, rank) => rank < k || !before(last!, most(each)))
      .map((each, rank) => ({
        item: each[0],
        min_count: each[1],
        max_count: each[1] + offset,
        // Neither the first item that is left out nor one without a counter can have come before
        // it.
        certain: rank < k && (next === undefined || !before(most(next), each)) && (offset === 0 || each[1] > offset),
        complete,
      }))
  }

  /** The form that `jsonb` stores. `JSON.stringify` calls it. */
  toJSON(): HeavyHittersJson {
    const { n, offset, counts } = this.#compressed()
    // Not an assignment, which would set the prototype for an item named `__proto__`.
    return { n, offset, counters: Object.fromEntries(counts) }
  }

  /**
   * The text of the stored sketch, byte for byte as PostgreSQL shows it: keys in the order of
   * `jsonb`, shorter ones first, then by their bytes.
   */
  toString(): string {
    const { n, offset, counts } = this.#compressed()
    const counters = [...counts]
      .map(([item, count]) => ({ item, count, bytes: Buffer.byteLength(item) }))
      .sort((a, b) => a.bytes - b.bytes || compareBytes(a.item, b.item))
      .map(({ item, count }) => `${JSON.stringify(item)}: ${count}`)
    return `{"n": ${n}, "offset": ${offset}, "counters": {${counters.join(', ')}}}`
  }

  #weigh(weight: number): void {
    if (this.#n + weight > Number.MAX_SAFE_INTEGER) {
      throw new InvalidInputError('weight', `must be at most 2^53 - 1 together with the ${this.#n} counted before, got ${preview(weight)}`)
    }
    this.#n += weight
  }

  #take({ n, offset, counts }: Content): void {
    this.#weigh(n)
    this.#offset += offset
    for (const [item, count] of counts) this.#counts.set(item, (this.#counts.get(item) ?? 0) + count)
  }

  /** The content to store. It leaves the sketch unchanged. */
  #compressed(): Content {
    if (this.#counts.size <= this.capacity) return { n: this.#n, offset: this.#offset, counts: this.#counts }
    const copy = new HeavyHitters(this.capacity)
    copy.#take({ n: this.#n, offset: this.#offset, counts: this.#counts })
    copy.#compress(this.capacity)
    return { n: copy.#n, offset: copy.#offset, counts: copy.#counts }
  }

  /**
   * Subtracts from each counter the count of the first counter that is too many. `kept + 1`
   * counters lose this much, so `(kept + 1) * offset` stays at most the difference between `n` and
   * the counters' sum.
   */
  #compress(kept: number): void {
    if (this.#counts.size <= kept) return
    const ascending = Float64Array.from(this.#counts.values()).sort()
    const cut = ascending[ascending.length - kept - 1]!
    for (const [item, count] of this.#counts) {
      if (count > cut) this.#counts.set(item, count - cut)
      else this.#counts.delete(item)
    }
    this.#offset += cut
  }
}

interface Content {
  n: number
  offset: number
  counts: ReadonlyMap<string, number>
}

function checked(json: unknown, name: string): Content {
  const { n, offset, counters } = parse(storedSketch, json, name)
  const counts = new Map(Object.entries(counters))
  let counted = 0
  for (const [item, count] of counts) {
    if (!Number.isSafeInteger(count) || count < 1) {
      throw new InvalidInputError(`${name}.counters[${preview(item)}]`, `must be a whole number from 1 to 2^53 - 1, got ${preview(count)}`)
    }
    parse(storableText, item, `${name}.counters`)
    counted += count
  }
  // Each cut takes its part of the offset from at least two counters.
  if (counted + 2 * offset > n) {
    throw new InvalidInputError(`${name}.n`, `must be at least its counters and twice its offset, ${counted + 2 * offset}, got ${n}`)
  }
  if (offset === 0 && counted < n) throw new InvalidInputError(`${name}.offset`, `must not be 0: ${n - counted} of n has no counter`)
  return { n, offset, counts }
}
