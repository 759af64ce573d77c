import { describe, expect, it } from 'vitest'
import { Hll, type Estimate, type HllOptions, type HllOverlap } from '../../../../src/sketch/index.ts'

/** Adds values that no other seed, and no other `from`, has. */
function addValues(sketches: readonly Hll[], count: number, seed: number, from = 0): void {
  for (let value = from; value < from + count; value += 1) for (const sketch of sketches) sketch.add(seed * 2 ** 32 + value, 'bigint')
}

/** Two sketches: so many values in the first only, in the second only, in both. */
function pair([onlyA, onlyB, both]: readonly [number, number, number], seed: number, options: HllOptions = {}): [Hll, Hll] {
  const [a, b] = [Hll.create(options), Hll.create(options)]
  addValues([a], onlyA, seed)
  addValues([b], onlyB, seed, onlyA)
  addValues([a, b], both, seed, onlyA + onlyB)
  return [a, b]
}

/** Of many estimates: the root mean square error, that error as they themselves say it, and their mean. */
function errorsOf(truth: number, estimates: readonly Estimate[]) {
  let [sum, squares, said] = [0, 0, 0]
  for (const { estimate, standardError } of estimates) {
    sum += estimate
    squares += (estimate - truth) ** 2
    said += standardError ** 2
  }
  const count = estimates.length
  return { error: Math.sqrt(squares / count), said: Math.sqrt(said / count), mean: sum / count }
}

describe('an estimate', () => {
  it('is exact while the values are kept, and of an empty sketch', () => {
    expect(Hll.create().add('a').add('b').estimate()).toEqual({ estimate: 2, standardError: 0, noise: false })
    expect(Hll.create().estimate({ estimator: 'ertl' })).toEqual({ estimate: 0, standardError: 0, noise: false })
  })

  it('is noise of a sketch that says nothing', () => {
    const nothing = { estimate: Number.NaN, standardError: Number.NaN, noise: true }
    expect(Hll.fromString('\\x108b7f').estimate()).toEqual(nothing)
    const full = Hll.create({ log2m: 4, regwidth: 1, expthresh: 0 })
    addValues([full], 1_000, 1)
    expect(full.estimate({ estimator: 'ertl' })).toEqual({ ...nothing, estimate: Infinity })
  })

  it('is the cardinality', () => {
    const sketch = Hll.create()
    addValues([sketch], 3_000, 1)
    for (const estimator of ['classic', 'ertl'] as const)
      expect(sketch.estimate({ estimator }).estimate).toBe(sketch.cardinality({ estimator }))
    expect(() => sketch.estimate({ estimator: 'best' as never })).toThrow("estimator: must be 'classic' or 'ertl'")
  })

  // Between 2 and 4 values a register the classic estimator passes from one formula to the other.
  it.each([50, 256, 512, 640, 768, 1_280, 10_000])('is as far off as it says, of %s values in 256 registers', (count) => {
    const sketches = Array.from({ length: 250 }, (_, seed) => {
      const sketch = Hll.create({ log2m: 8, expthresh: 0 })
      addValues([sketch], count, seed)
      return sketch
    })
    for (const estimator of ['classic', 'ertl'] as const) {
      const { error, said, mean } = errorsOf(
        count,
        sketches.map((sketch) => sketch.estimate({ estimator })),
      )
      // Of 250 draws an error is itself known to one part in twenty.
      expect(said / error).toBeGreaterThan(0.8)
      expect(said / error).toBeLessThan(1.2)
      if (estimator === 'ertl') expect(Math.abs(mean - count)).toBeLessThan((4 * said) / Math.sqrt(sketches.length))
    }
  })
})

describe('an overlap', () => {
  const exact = (estimate: number): Estimate => ({ estimate, standardError: 0, noise: false })

  it('is exact while the values are kept', () => {
    const [a, b] = pair([60, 20, 40], 1)
    expect(a.overlap(b)).toEqual({
      a: exact(100),
      b: exact(60),
      union: exact(120),
      intersection: exact(40),
      jaccard: exact(1 / 3),
      shareOfA: exact(0.4),
      shareOfB: exact(2 / 3),
    } satisfies HllOverlap)
  })

  it('is exact where one is empty, but for the size of the other', () => {
    const [a, b] = pair([0, 5_000, 0], 1)
    const size = b.estimate({ estimator: 'ertl' })
    const none = { intersection: exact(0), jaccard: exact(0), shareOfA: exact(0), shareOfB: exact(0) }
    expect(a.overlap(b)).toEqual({ a: exact(0), b: size, union: size, ...none })
    expect(b.overlap(a)).toEqual({ a: size, b: exact(0), union: size, ...none })
    expect(a.overlap(Hll.create())).toEqual({ a: exact(0), b: exact(0), union: exact(0), ...none })
  })

  it('gives each set the size that it has by itself', () => {
    const [a, b] = pair([5_000, 100, 3_000], 1)
    expect(a.overlap(b)).toMatchObject({ a: a.estimate({ estimator: 'ertl' }), b: b.estimate({ estimator: 'ertl' }) })
  })

  it('knows a set again, and one that is part of it', () => {
    const [a, b] = pair([0, 20_000, 20_000], 1)
    expect(b.overlap(b).jaccard.estimate).toBeCloseTo(1, 6)
    const { intersection, ...sizes } = a.overlap(b)
    expect(intersection.estimate / sizes.a.estimate).toBeCloseTo(1, 2)
    expect(sizes.b.estimate).toBeCloseTo(sizes.union.estimate, -3)
  })

  it('calls an intersection noise that may as well be none', () => {
    const [a, b] = pair([20_000, 20_000, 0], 1)
    const { intersection, jaccard, union } = a.overlap(b)
    expect([intersection.noise, jaccard.noise, union.noise]).toEqual([true, true, false])
    expect(intersection.standardError).toBeGreaterThan(100)
  })

  it('is the same from the other side', () => {
    const [a, b] = pair([3_000, 500, 700], 1)
    const [there, back] = [a.overlap(b), b.overlap(a)]
    for (const [here, same] of [
      [there.a, back.b],
      [there.b, back.a],
      [there.intersection, back.intersection],
      [there.union, back.union],
    ] as const) {
      expect(here.estimate / same.estimate).toBeCloseTo(1, 3)
      expect(here.standardError / same.standardError).toBeCloseTo(1, 2)
    }
  })

  it('is nothing with a sketch that says nothing, and refuses one of other parameters', () => {
    const nothing = { estimate: Number.NaN, standardError: Number.NaN, noise: true }
    expect(Hll.fromString('\\x108b7f').overlap(Hll.create()).intersection).toEqual(nothing)
    expect(() => Hll.create().overlap(Hll.create({ log2m: 12 }))).toThrow('log2m: the two sketches differ: 11 and 12')
  })

  it.each<[readonly [number, number, number], HllOptions]>([
    [[1_000, 1_000, 500], { log2m: 8 }],
    [[300, 5_000, 300], { log2m: 8 }],
    [[5_000, 2_000, 1_500], { log2m: 8, regwidth: 4, expthresh: 0 }],
  ])('is as far off as it says: %j, %j', (sizes, options) => {
    const [onlyA, onlyB, both] = sizes
    const union = onlyA + onlyB + both
    const [a, b] = [onlyA + both, onlyB + both]
    const truth = { a, b, union, intersection: both, jaccard: both / union, shareOfA: both / a, shareOfB: both / b }
    const seeds = 120
    const overlaps = Array.from({ length: seeds }, (_, seed) => {
      const [a, b] = pair(sizes, seed + 1, options)
      return a.overlap(b)
    })
    for (const name of ['a', 'b', 'union', 'intersection', 'jaccard', 'shareOfA', 'shareOfB'] as const) {
      const estimates = overlaps.map((overlap) => overlap[name])
      const { error, said, mean } = errorsOf(truth[name], estimates)
      expect(said / error).toBeGreaterThan(0.75)
      expect(said / error).toBeLessThan(1.3)
      expect(Math.abs(mean - truth[name])).toBeLessThan((4.5 * said) / Math.sqrt(seeds))
    }
  })

  it('of a tenth of two large sets is off by about 15 %, half of what adding and subtracting is', () => {
    const sizes = [90_000, 90_000, 10_000] as const
    const [joint, naive]: [number[], number[]] = [[], []]
    for (let seed = 1; seed <= 25; seed += 1) {
      const [a, b] = pair(sizes, seed)
      joint.push(a.overlap(b).intersection.estimate)
      naive.push(a.cardinality() + b.cardinality() - a.union(b).cardinality())
    }
    const error = (estimates: readonly number[]) =>
      Math.sqrt(estimates.reduce((sum, each) => sum + (each / 10_000 - 1) ** 2, 0) / estimates.length)
    expect(error(joint)).toBeLessThan(0.21)
    expect(error(naive)).toBeGreaterThan(1.3 * error(joint))
  })
})
