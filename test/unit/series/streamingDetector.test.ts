import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import type { DetectionOptions } from '../../../src/series/anomalies/detection.ts'
import { restoreDetector, streamingDetector } from '../../../src/series/streaming/streamingDetector.ts'
import { bucketAt, points } from '../../support/points.ts'
import { detectionVectors } from '../../support/vectors/detection.ts'
import { near } from '../../support/vectors/near.ts'

const methods: DetectionOptions[] = [
  { method: 'robust-z' },
  { method: 'seasonal', season: '1 hour', slot: '10 minutes', history: '3 hours' },
  { method: 'ewma', lambda: 0.3 },
  { method: 'surprise', historyPoints: 100, minPoints: 20 },
]

/** What a detector says of values five minutes apart. */
const judged = (options: DetectionOptions, values: readonly (number | null | undefined)[]) => {
  const detector = streamingDetector(options)
  return points('a', values).map((point) => detector.observe(point))
}

describe('the vectors that it shares with the database', () => {
  it.each(detectionVectors)('$name', ({ options, points: given, anomalies }) => {
    const detector = streamingDetector(options)
    const found = given.map(({ bucket, value }) => detector.observe({ bucket, value })).filter((judgement) => judgement?.anomalous)
    expect(found).toEqual(anomalies.map((anomaly) => ({ ...near(anomaly), anomalous: true })))
  })
})

describe.each(methods)('$method', (options) => {
  it.each([
    ['too few points', [1, 2, 3, 4, 5]],
    ['nothing measured', [null, Number.NaN, Infinity, -Infinity, 1e101, null, Number.NaN, null, null, null, null, null, null, null]],
  ])('cannot judge by %s', (_, values) => {
    expect(judged(options, values).filter((judgement) => judgement !== null)).toEqual([])
  })

  it('finds nothing in a constant', () => {
    const judgements = judged(options, Array<number>(100).fill(42)).filter((judgement) => judgement !== null)
    expect(judgements.length).toBeGreaterThan(50)
    const nothing = {
      value: 42,
      expected: 42,
      spread: options.method === 'surprise' ? 0 : 2.1,
      score: 0,
      direction: 'up',
      anomalous: false,
    }
    expect(judgements).toMatchObject(judgements.map(({ bucket }) => ({ bucket, ...nothing })))
  })

  it('refuses a bucket that is not after the last one, and learns nothing from it', () => {
    const detector = streamingDetector(options)
    detector.observe({ bucket: bucketAt(3), value: 1 })
    detector.observe({ bucket: bucketAt(4), value: null })
    const before = detector.toJSON()
    for (const index of [4, 3]) expect(() => detector.observe({ bucket: bucketAt(index), value: 2 })).toThrow(InvalidInputError)
    expect(() => detector.observe({ bucket: bucketAt(4), value: 2 })).toThrow(
      `observation.bucket: must be after ${bucketAt(4).toISOString()}, which was observed before it, got ${bucketAt(4).toISOString()}`,
    )
    expect(detector.toJSON()).toEqual(before)
  })

  it('says after a restart what it would have said without one', () => {
    const values = fc.array(fc.oneof(fc.integer({ min: -20, max: 20 }), fc.double(), fc.constant(null)), {
      minLength: 1,
      maxLength: 500,
      size: 'max',
    })
    fc.assert(
      fc.property(values, fc.nat(), (given, cut) => {
        const series = points('a', given)
        const straight = streamingDetector(options)
        let restarted = streamingDetector(options)
        for (const [index, point] of series.entries()) {
          if (index === cut % series.length) restarted = restoreDetector(JSON.parse(JSON.stringify(restarted)))
          expect(restarted.observe(point)).toEqual(straight.observe(point))
        }
        expect(restarted.toJSON()).toEqual(straight.toJSON())
      }),
      { numRuns: 50 },
    )
  })

  it('keeps no more than its window holds', () => {
    const detector = streamingDetector(options)
    const sizeAfter = (from: number, to: number) => {
      for (let index = from; index < to; index++) detector.observe({ bucket: bucketAt(index), value: index % 7 })
      return JSON.stringify(detector).length
    }
    const early = sizeAfter(0, 1_000)
    expect(Math.abs(sizeAfter(1_000, 20_000) - early)).toBeLessThan(300)
  })
})

it.each([
  [{ bucket: new Date(Number.NaN), value: 1 }, 'observation.bucket: must be a valid Date'],
  [{ bucket: '2026-01-01', value: 1 }, 'observation.bucket: must be a valid Date, got "2026-01-01"'],
  [{ bucket: bucketAt(0), value: '7' }, 'observation.value: must be a number or null, got "7"'],
  [{ bucket: bucketAt(0) }, 'observation.value: must be a number or null, got undefined'],
])('refuses %j', (observation, message) => {
  expect(() => streamingDetector().observe(observation as { bucket: Date; value: number })).toThrow(message)
})

it.each([
  [{ threshold: -1 }, 'threshold'],
  [{ method: 'psychic' }, "method: must be 'robust-z', 'seasonal', 'ewma' or 'surprise', got \"psychic\""],
  [{ method: 'surprise', window: '1 hour' }, 'options: has no key "window"'],
  [{ method: 'surprise', historyPoints: 200, minPoints: 201 }, 'minPoints: must not be above historyPoints'],
  [null, 'options'],
  [{ method: 'ewma', lambda: 0 }, 'lambda'],
  [{ method: 'seasonal', slot: '5 hours' }, 'slot'],
])('refuses the options %j', (options, message) => {
  expect(() => streamingDetector(options as DetectionOptions)).toThrow(message)
})

describe('a state', () => {
  const learnt = () => {
    const detector = streamingDetector({ method: 'ewma' })
    for (const point of points('a', [1, 2, 3, 4, 5, 6, 7])) detector.observe(point)
    return detector.toJSON()
  }

  it.each<[string, (state: ReturnType<typeof learnt>) => unknown, string]>([
    ['nothing', () => null, 'state: '],
    ['another version', (state) => ({ ...state, version: 2 }), 'state.version'],
    ['a key more', (state) => ({ ...state, more: 1 }), 'state: has no key'],
    ['a time that is none', (state) => ({ ...state, last: 'now' }), 'state.last'],
    ['options out of range', (state) => ({ ...state, settings: { ...state.settings, threshold: -1 } }), 'threshold'],
    ['what another method learnt', (state) => ({ ...state, settings: { method: 'robust-z' } }), 'state.learnt: has no key'],
    [
      'points out of order',
      (state) => ({
        ...state,
        learnt: {
          ...state.learnt,
          points: [
            [2, 1],
            [1, 1],
          ],
        },
      }),
      'state.learnt.points: must be in the order',
    ],
    ['a value that is none', (state) => ({ ...state, learnt: { ...state.learnt, points: [[2, null]] } }), 'state.learnt.points[0][1]'],
    ['points after the last', (state) => ({ ...state, last: bucketAt(2).getTime() }), 'state.last: must not be before'],
  ])('with %s is refused', (_, change, message) => {
    expect(() => restoreDetector(change(learnt()))).toThrow(message)
  })
})
