import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { describe, expect, it } from 'vitest'
import type { SurpriseOptions } from '../../../src/series/anomalies/detection.ts'
import { looks, Sights } from '../../../src/series/streaming/looks.ts'
import type { Judgement } from '../../../src/series/streaming/observation.ts'
import { rarityOf } from '../../../src/series/streaming/rarity.ts'
import { SortedValues } from '../../../src/series/streaming/sortedValues.ts'
import { streamingDetector } from '../../../src/series/streaming/streamingDetector.ts'
import { bucketAt } from '../../support/points.ts'

/** Values of a day at five minutes each. */
const day = 288

/** Noise of this size around what `level` gives, the same every time. */
function noisy(length: number, level: (index: number) => number, size = 1): number[] {
  const generator = xoroshiro128plus(7)
  const draw = () => uniformFloat64(generator) + uniformFloat64(generator) + uniformFloat64(generator) - 1.5
  return Array.from({ length }, (_, index) => level(index) + size * draw())
}

function judgements(values: number[], options: Omit<SurpriseOptions, 'method'> = {}): (Judgement | null)[] {
  const detector = streamingDetector({ method: 'surprise', ...options })
  return values.map((value, index) => detector.observe({ bucket: bucketAt(index), value }))
}

/** The indexes of the anomalies. */
const found = (values: number[], options?: Omit<SurpriseOptions, 'method'>) =>
  judgements(values, options).flatMap((judgement, index) => (judgement?.anomalous ? [index] : []))

describe('surprise', () => {
  it('tells a spike at once, and what is rare about it', () => {
    const spike = noisy(1_000, (index) => (index === 800 ? 40 : 10))
    expect(found(spike)).toEqual([800])
    const judgement = judgements(spike)[800]!
    expect(judgement).toMatchObject({ value: spike[800], direction: 'up', look: { of: 'level', points: 1, value: spike[800] } })
    expect(judgement.expected).toBeCloseTo(10, 0)
    expect(judgement.look!.oneIn).toBeGreaterThan(1e6)
  })

  it('tells a drop as it tells a spike', () => {
    const drop = noisy(1_000, (index) => (index === 800 ? -20 : 10))
    expect(judgements(drop)[800]).toMatchObject({ anomalous: true, direction: 'down' })
  })

  it('tells a level that lasts when it begins, not again and again', () => {
    const shifted = found(noisy(2_000, (index) => (index < 800 ? 10 : 20)))
    expect(shifted[0]).toBe(800)
    expect(shifted.length).toBeLessThan(5)
    // The coarsest looks take the new level in for 256 points.
    expect(Math.max(...shifted)).toBeLessThan(1_056)
  })

  it('tells a small shift by the looks that take many points together', () => {
    const shifted = noisy(2_000, (index) => (index < 1_000 ? 10 : 11))
    const first = judgements(shifted).find((judgement) => judgement?.anomalous)!
    expect(first.bucket.getTime()).toBeGreaterThan(bucketAt(1_000).getTime())
    expect(first.bucket.getTime()).toBeLessThan(bucketAt(1_064).getTime())
    expect(first.look!.points).toBeGreaterThan(1)
  })

  it('is not surprised by what comes every day', () => {
    const daily = noisy(14 * day, (index) => 10 + 5 * Math.sin((2 * Math.PI * index) / day))
    expect(found(daily).length).toBeLessThanOrEqual(3)
  })

  it('is less surprised by what comes again', () => {
    const spikes = judgements(noisy(3_000, (index) => (index % 500 === 499 ? 40 : 10)))
    const scores = [999, 1_499, 1_999, 2_499, 2_999].map((index) => spikes[index]!.score)
    expect(scores.at(-1)! / scores[0]!).toBeLessThan(0.8)
  })

  it('does not judge before it has learnt', () => {
    const early = judgements(noisy(200, (index) => (index === 100 ? 99 : 1)))
    expect(early.slice(0, 150)).toEqual(Array<null>(150).fill(null))
    expect(early[150]).not.toBeNull()
  })

  it('is not deceived by rounding', () => {
    const values = Array.from({ length: 2_000 }, (_, index) => 1e9 + [0.1, 0.2, 0.3, 0.7][(index * index) % 4]!)
    const nearlyConstant = Array.from({ length: 2_000 }, (_, index) => (index % 7 === 0 ? 0.1 + 0.2 : 0.3))
    expect([found(values), found(nearlyConstant)]).toEqual([[], []])
  })

  it('tells the first value that is not the constant', () => {
    expect(found(Array.from({ length: 500 }, (_, index) => (index === 400 ? 1 : 0)))[0]).toBe(400)
  })

  it('remembers so many points and no more', () => {
    const values = noisy(1_500, (index) => (index === 300 || index === 1_400 ? 40 : 10))
    const [short, long] = [{ historyPoints: 1_000 }, { historyPoints: 1_200 }].map((options) => judgements(values, options)[1_400]!.score)
    expect(short).toBeGreaterThan(long!)
  })
})

describe('rarity', () => {
  const history = (values: number[]) => {
    const sorted = new SortedValues()
    for (const value of values) sorted.add(value)
    return sorted
  }
  const hundred = history(Array.from({ length: 100 }, (_, index) => index + 1))

  it('is that of the least surprising tail', () => {
    // Above 97 are 3 of 100, with a mean excess of 2; above 88 are 12. (97 - 88) / ln 4 is more
    // than 2.
    const digits = Math.log10(100 / 3) + ((110 - 97) * Math.log(4)) / 9 / Math.LN10
    expect(rarityOf(110, hundred, 0)).toEqual({ digits: expect.closeTo(digits, 12), direction: 'up' })
  })

  it('is small for what happened before, however extreme', () => {
    // Two of 400 are above 0, so it happens once in 200, with a mean excess of 1000.
    const twice = history([...Array<number>(398).fill(0), 1_000, 1_000])
    expect(rarityOf(1_000, twice, 0).digits).toBeCloseTo(Math.log10(200) + 1 / Math.LN10, 12)
  })

  it('looks at both sides', () => {
    expect(rarityOf(-99, hundred, 0).direction).toBe('down')
    expect(rarityOf(-99, hundred, 0).digits).toBeCloseTo(
      rarityOf(200, history(Array.from({ length: 100 }, (_, index) => index + 1)), 0).digits,
      1,
    )
  })

  it('is none within the bulk, nor by a handful of values', () => {
    expect([rarityOf(50, hundred, 0), rarityOf(97, hundred, 0)]).toMatchObject([{ digits: 0 }, { digits: 0 }])
    expect(rarityOf(99, history([1, 2, 3]), 0)).toMatchObject({ digits: 0 })
  })

  it('has an end where the spread has none', () => {
    const constant = history(Array<number>(100).fill(5))
    expect([rarityOf(6, constant, 0), rarityOf(5, constant, 0)]).toMatchObject([{ digits: 10 }, { digits: 0 }])
  })
})

describe('the looks', () => {
  it('see levels and changes as far back as they can', () => {
    const values = Array.from({ length: 200 }, (_, index) => index)
    const sights = new Sights()
    for (const value of values) sights.add(value)
    expect(looks.map(({ of, points }) => `${of} ${points}`)).toEqual([
      'level 1',
      'change 1',
      ...[4, 16, 64, 256].flatMap((points) => [`level ${points}`, `change ${points}`, `variation ${points}`]),
    ])
    expect(sights.at(7)).toEqual([7, 1, 5.5, 4, 1, ...Array<number>(9).fill(Number.NaN)])
    expect(sights.at(199)).toEqual([199, 1, 197.5, 4, 1, 191.5, 16, 1, 167.5, 64, 1, Number.NaN, Number.NaN, Number.NaN])
    expect(sights.at(0)).toEqual([0, ...Array<number>(13).fill(Number.NaN)])
    expect(sights.magnitude()).toBe(199)
  })
})

describe('quiet points', () => {
  // Constant, but for twos of a size that no look has seen.
  const spikes = (...at: number[]) => Array.from({ length: 800 }, (_, index) => (at.includes(index) ? 5 + at.indexOf(index) ** 4 : 0))

  it('are waited for after each score above the threshold', () => {
    const options = { quietPoints: 100, threshold: 0.5 }
    const scores = judgements(spikes(300, 310, 700), options).map((judgement) => judgement?.score ?? 0)
    const above = scores.flatMap((score, index) => (score > 0.5 ? [index] : []))
    const begun = above.filter((index, nth) => nth === 0 || index - above[nth - 1]! > 100)
    expect(found(spikes(300, 310, 700), options)).toEqual(begun)
    expect(begun).toContain(300)
    expect(begun).toContain(700)
  })

  it('can be none', () => {
    const all = judgements(spikes(300, 310), { quietPoints: 0, threshold: 0.5 })
    for (const judgement of all) expect(judgement?.anomalous ?? false).toBe((judgement?.score ?? 0) > 0.5)
  })
})
