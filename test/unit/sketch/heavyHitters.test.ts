import fc from 'fast-check'
import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { compareBytes } from '../../../src/schema/compareBytes.ts'
import { HeavyHitters } from '../../../src/sketch/heavyHitters/heavyHitters.ts'
import { heavyHittersMerge } from '../../../src/sketch/heavyHitters/heavyHittersMerge.ts'
import { heavyHittersTop } from '../../../src/sketch/heavyHitters/heavyHittersTop.ts'
import { exactCounts, sketchOf, stream, streams } from '../../support/heavyStreams.ts'
import { unitScope } from '../../support/unitScope.ts'
import { zipf } from '../../support/zipf.ts'

const capacity = fc.integer({ min: 1, max: 12 })

/** Whatever is true of every sketch, of what was counted exactly. */
function holds(sketch: HeavyHitters, exact: ReadonlyMap<string, number>, smallest: number): void {
  const { n, offset, counters } = sketch.toJSON()
  const counts = new Map(Object.entries(counters))
  const total = [...exact.values()].reduce((sum, count) => sum + count, 0)
  expect(n).toBe(total)
  expect(counts.size).toBeLessThanOrEqual(sketch.capacity)
  expect(offset * (smallest + 1)).toBeLessThanOrEqual(n)
  for (const [item, count] of exact) {
    const low = counts.get(item) ?? 0
    expect(low <= count && count <= low + offset).toBe(true)
    if (count > n / smallest) expect(counts.has(item)).toBe(true)
  }
  expect([...counts.keys()].filter((item) => !exact.has(item))).toEqual([])
  const ranked = [...exact].sort(([a, countA], [b, countB]) => countB - countA || compareBytes(a, b)).map(([item]) => item)
  for (const k of [1, 2, 3, 7, 30]) {
    const heaviest = ranked.slice(0, k)
    const rows = sketch.top(k)
    const named = rows.map(({ item }) => item)
    expect(rows.filter(({ item, certain }) => certain && !heaviest.includes(item))).toEqual([])
    const missing = heaviest.filter((item) => !named.includes(item))
    // Without `complete` only an item that has no counter may be missing.
    expect(missing.filter((item) => counts.has(item) || rows[0]?.complete === true)).toEqual([])
    if (offset === 0) expect(rows.map(({ item, certain }) => [item, certain])).toEqual(heaviest.map((item) => [item, true]))
  }
}

describe('HeavyHitters', () => {
  it('counts exactly while every item has a counter', () => {
    const sketch = sketchOf([['a', 1], ['b', 5], ['a', 1], ['c', 2]], 3) // prettier-ignore
    expect(sketch.toJSON()).toEqual({ n: 9, offset: 0, counters: { a: 2, b: 5, c: 2 } })
    expect(sketch.top(2)).toEqual([
      { item: 'b', min_count: 5, max_count: 5, certain: true, complete: true },
      { item: 'a', min_count: 2, max_count: 2, certain: true, complete: true },
    ])
  })

  it('takes what the first too many has from all others', () => {
    const sketch = sketchOf([['a', 9], ['b', 5], ['c', 2]], 2) // prettier-ignore
    expect(sketch.toJSON()).toEqual({ n: 16, offset: 2, counters: { a: 7, b: 3 } })
    expect(sketch.top(1)).toEqual([{ item: 'a', min_count: 7, max_count: 9, certain: true, complete: true }])
    // The second may be `b`, or one without a counter that has 2, but not above 2.
    expect(sketch.top(2).map(({ item, certain, complete }) => ({ item, certain, complete }))).toEqual([
      { item: 'a', certain: true, complete: true },
      { item: 'b', certain: true, complete: true },
    ])
    expect(sketch.top(3).map(({ certain, complete }) => ({ certain, complete }))).toEqual([
      { certain: true, complete: false },
      { certain: true, complete: false },
    ])
  })

  it('names more than k where they may be among them', () => {
    const sketch = HeavyHitters.fromJSON({ n: 60, offset: 4, counters: { a: 20, b: 11, c: 10, d: 6 } })
    expect(sketch.top(2).map(({ item, certain }) => `${item} ${certain}`)).toEqual(['a true', 'b false', 'c false'])
  })

  it('never lies, over any stream, weights and tree of merges', () => {
    fc.assert(
      fc.property(
        streams,
        fc.array(capacity, { minLength: 8, maxLength: 8 }),
        fc.infiniteStream(fc.nat()),
        (parts, capacities, choices) => {
          const forest = parts.map((part, at) => {
            const sketch = sketchOf(part, capacities[at]!)
            const exact = exactCounts(part)
            holds(sketch, exact, capacities[at]!)
            return { sketch, part, smallest: capacities[at]! }
          })
          while (forest.length > 1) {
            const take = forest.splice(choices.next().value! % (forest.length - 1), 2 + (choices.next().value! % 2))
            const wanted = capacities[choices.next().value! % 8]!
            const sketch = HeavyHitters.merge(
              take.map((each, at) => (at % 2 === 0 ? each.sketch : each.sketch.toJSON())),
              { capacity: wanted },
            )
            const merged = {
              sketch,
              part: take.flatMap((each) => [...each.part]),
              smallest: Math.min(wanted, ...take.map((each) => each.smallest)),
            }
            holds(sketch, exactCounts(merged.part), merged.smallest)
            // What was merged goes on counting.
            sketch.add('later', 3)
            merged.part.push(['later', 3])
            holds(sketch, exactCounts(merged.part), merged.smallest)
            forest.push(merged)
          }
        },
      ),
      { numRuns: 100 },
    )
  })

  it('is the same whatever the order of the parts', () => {
    fc.assert(
      fc.property(streams, capacity, (parts, capacity) => {
        const sketches = parts.map((part) => sketchOf(part, capacity))
        const options = { capacity }
        expect(HeavyHitters.merge(sketches.toReversed(), options).toString()).toBe(HeavyHitters.merge(sketches, options).toString())
      }),
    )
  })

  it('is the same for sorted items however the weight of one was cut', () => {
    fc.assert(
      fc.property(stream, capacity, (given, capacity) => {
        const sorted = given.toSorted(([a], [b]) => compareBytes(a, b))
        const whole = [...exactCounts(sorted)]
        expect(sketchOf(sorted, capacity).toString()).toBe(sketchOf(whole, capacity).toString())
      }),
    )
  })

  it('is not changed by looking at it', () => {
    const [looked, other] = [HeavyHitters.create({ capacity: 2 }), HeavyHitters.create({ capacity: 2 })]
    for (let at = 0; at < 60; at += 1) {
      looked.add(String(at % 7), at + 1)
      other.add(String(at % 7), at + 1)
      looked.toJSON()
      looked.top(3)
    }
    expect(looked.toString()).toBe(other.toString())
  })

  it('finds the first 20 of a million by Zipf in 288 parts, as sharply as is said', () => {
    const draw = zipf(1.1, 1_000_000)
    const items = Array.from({ length: 1_000_000 }, () => `item ${draw()}`)
    const parts = Array.from({ length: 288 }, () => HeavyHitters.create())
    items.forEach((item, at) => parts[Math.floor((at * 288) / items.length)]!.add(item))
    const merged = HeavyHitters.merge(parts)
    const { n, offset } = merged.toJSON()
    expect(offset / n).toBeLessThan(0.0012)
    const exact = exactCounts(items.map((item) => [item, 1] as const))
    const heaviest = [...exact].sort(([a, countA], [b, countB]) => countB - countA || compareBytes(a, b)).slice(0, 20)
    const rows = merged.top(20)
    expect(rows[0]!.complete).toBe(true)
    expect(heaviest.map(([item]) => item).filter((item) => !rows.some((row) => row.item === item))).toEqual([])
    expect(rows.filter(({ certain }) => certain).length).toBeGreaterThan(12)
  })

  it('is written as jsonb is, whatever the items are called', () => {
    const sketch = sketchOf([['b', 1], ['10', 2], ['__proto__', 3], ['', 4], ['ä', 5], ['"\n', 6]], 9) // prettier-ignore
    expect(sketch.toString()).toBe('{"n": 21, "offset": 0, "counters": {"": 4, "b": 1, "\\"\\n": 6, "10": 2, "ä": 5, "__proto__": 3}}')
    expect(JSON.parse(sketch.toString())).toEqual(JSON.parse(JSON.stringify(sketch)))
    expect(HeavyHitters.fromJSON(JSON.parse(sketch.toString())).toString()).toBe(sketch.toString())
  })

  it('counts up to 2^53 - 1 in all', () => {
    const sketch = sketchOf([['a', Number.MAX_SAFE_INTEGER - 1]], 2)
    sketch.add('b')
    expect(sketch.n).toBe(Number.MAX_SAFE_INTEGER)
    expect(() => sketch.add('c')).toThrow(/^weight: must be at most 2\^53 - 1 together with the 9007199254740991 counted before, got 1$/)
    expect(() => HeavyHitters.merge([sketch, sketch])).toThrow(/2\^53 - 1/)
    expect(sketch.top(1)).toEqual([{ item: 'a', min_count: 9007199254740990, max_count: 9007199254740990, certain: true, complete: true }])
  })

  it.each([0, -1, 1.5, Number.NaN, Infinity, 2 ** 53, '1', null])('refuses the weight %s', (weight) => {
    expect(() => HeavyHitters.create().add('a', weight as number)).toThrow(/^weight: must be a whole number from 1/)
  })

  it.each(['a\u0000', '\ud800', 7, null])('refuses the item %j', (item) => {
    expect(() => HeavyHitters.create().add(item as string)).toThrow(/^item: /)
  })

  it.each([0, 65537, 1.5, '9'])('refuses the capacity %s', (capacity) => {
    expect(() => HeavyHitters.create({ capacity: capacity as number })).toThrow(/^capacity: /)
    expect(() => HeavyHitters.merge([], { capacity: capacity as number })).toThrow(/^capacity: /)
  })

  it.each([
    [null, 'sketch'],
    ['{}', 'sketch'],
    [{}, 'sketch.n'],
    [{ n: -1, offset: 0, counters: {} }, 'sketch.n'],
    [{ n: 1, offset: 0.5, counters: {} }, 'sketch.offset'],
    [{ n: 1, offset: 0, counters: [] }, 'sketch.counters'],
    [{ n: 1, offset: 0, counters: { a: 0 } }, 'sketch.counters["a"]'],
    [{ n: 1, offset: 0, counters: { a: '1' } }, 'sketch.counters["a"]'],
    [{ n: 1, offset: 0, counters: { '\ud800': 1 } }, 'sketch.counters'],
    [{ n: 1, offset: 0, counters: { a: 2 } }, 'sketch.n'],
    [{ n: 9, offset: 4, counters: { a: 2 } }, 'sketch.n'],
    [{ n: 9, offset: 0, counters: { a: 2 } }, 'sketch.offset'],
    [{ n: 1, offset: 0, counters: { a: 1 }, more: 1 }, 'sketch'],
  ])('refuses %j as a sketch, naming %s', (json, field) => {
    expect(() => HeavyHitters.fromJSON(json)).toThrow(expect.objectContaining({ name: 'InvalidInputError', field }))
  })

  it('names the part that is no sketch, and skips null', () => {
    expect(() => HeavyHitters.merge([null, { n: 1, offset: 0, counters: {}, x: 1 } as never])).toThrow(/^parts\[1\]: has no key "x"/)
    expect(HeavyHitters.merge([null]).toJSON()).toEqual({ n: 0, offset: 0, counters: {} })
  })

  it('refuses an invalid k', () => {
    expect(() => HeavyHitters.create().top(0)).toThrow(/^k: /)
    expect(HeavyHitters.create().top(3)).toEqual([])
  })
})

describe('the SQL of heavy hitters', () => {
  const scope = unitScope()
  const column = sql.ref<never>('row.sketch')
  const compiled = (expression: ReturnType<typeof heavyHittersMerge> | ReturnType<typeof heavyHittersTop>) =>
    expression.compile(scope.db).sql

  it('merges by the aggregate, with another capacity by what was collected', () => {
    expect(compiled(heavyHittersMerge(scope, column))).toBe('"public"."heavy_hitters_merge"("row"."sketch")')
    expect(compiled(heavyHittersMerge(scope, column, { capacity: 64 }))).toBe(
      '"public"."heavy_hitters_merge_all"(pg_catalog.array_agg("row"."sketch"), 64)',
    )
  })

  it('gives the top as rows', () => {
    expect(compiled(heavyHittersTop(scope, column, 3))).toBe('"public"."heavy_hitters_top"("row"."sketch", 3)')
    expect(() => heavyHittersTop(scope, column, 0)).toThrow(/^k: /)
  })
})
