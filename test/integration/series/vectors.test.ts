import fc from 'fast-check'
import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { anomalies } from '../../../src/series/anomalies/anomalies.ts'
import type { DetectionOptions } from '../../../src/series/anomalies/detection.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { streamingDetectors } from '../../../src/series/streaming/streamingDetectors.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { bucketAt, frameOf } from '../../support/points.ts'
import { detectionVectors } from '../../support/vectors/detection.ts'
import { near } from '../../support/vectors/near.ts'

/** Numbers between -1 and 1, the same for a seed. */
const noiseOf = (seed: number) => {
  const generator = xoroshiro128plus(seed)
  return () => 2 * uniformFloat64(generator) - 1
}

apartFromTime('detection vectors', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const inDatabase = (given: SeriesRow[], options: DetectionOptions) => anomalies(scope, frameOf(scope, given), options).execute()

  /** What a service would be told of the same points, in the columns and the order of the database. */
  const streamed = (given: SeriesRow[], options: DetectionOptions) => {
    const detectors = streamingDetectors(options)
    return given
      .toSorted((a, b) => a.series.localeCompare(b.series) || a.bucket.getTime() - b.bucket.getTime())
      .flatMap((point) => detectors.observe(point) ?? [])
      .filter(({ anomalous }) => anomalous)
      .map(({ anomalous: _, look: __, ...judgement }) => ({ ...judgement, item: judgement.series }))
  }

  it.each(detectionVectors)('$name', async ({ options, points, anomalies: expected }) => {
    expect(await inDatabase(points, options)).toEqual(expected.map((anomaly) => ({ ...near(anomaly), series: 'a', item: 'a' })))
  })

  describe('the streaming detector and the database say the same of', () => {
    const value = fc.oneof(
      { weight: 6, arbitrary: fc.integer({ min: -5, max: 20 }) },
      { weight: 2, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
      fc.constantFrom(null, Number.NaN, Infinity, 1e99, -1e101, 1e-101),
    )
    const point = fc.record({ series: fc.constantFrom('a', 'b'), index: fc.nat(99), value })
    const series = fc
      .uniqueArray(point, { minLength: 80, maxLength: 150, size: 'max', selector: ({ series: name, index }) => `${name} ${index}` })
      .map((drawn) =>
        drawn.map(({ series: name, index, value: drawnValue }) => ({ series: name, bucket: bucketAt(index), value: drawnValue })),
      )
    const common = {
      threshold: fc.constantFrom(0, 1),
      minPoints: fc.integer({ min: 1, max: 6 }),
      floor: fc.constantFrom(0, 0.05),
      minSpread: fc.constantFrom(0, 0.5),
    }
    const options: Record<string, fc.Arbitrary<DetectionOptions>> = {
      'robust-z': fc.record({
        method: fc.constant('robust-z' as const),
        window: fc.constantFrom('15 minutes', '1 hour', '3 hours'),
        ...common,
      }),
      seasonal: fc.record({
        method: fc.constant('seasonal' as const),
        season: fc.constantFrom('1 hour', '2 hours'),
        slot: fc.constantFrom('10 minutes', '30 minutes'),
        history: fc.constantFrom('2 hours', '5 hours'),
        ...common,
      }),
      ewma: fc.record({
        method: fc.constant('ewma' as const),
        window: fc.constantFrom('15 minutes', '1 hour'),
        lambda: fc.constantFrom(0.1, 0.5, 1),
        clip: fc.constantFrom(3, 8),
        ...common,
      }),
    }

    it.each(Object.keys(options))('random series, by %s', async (method) => {
      let compared = 0
      await fc.assert(
        fc.asyncProperty(series, options[method]!, async (given, chosen) => {
          const expected = streamed(given, chosen)
          compared += expected.length
          expect(await inDatabase(given, chosen)).toEqual(expected.map(near))
        }),
        { numRuns: 40 },
      )
      expect(compared).toBeGreaterThan(100)
    })

    it('random series, by surprise', async () => {
      const shape = fc.record({
        seed: fc.integer(),
        length: fc.integer({ min: 1, max: 900 }),
        size: fc.constantFrom(1e-99, 1, 1e9, 1e99),
        /** How many different values there are; most are equal where they are few. */
        grain: fc.constantFrom(1, 8, 1e6),
        trend: fc.constantFrom(-1, 0, 1),
      })
      const surprise = fc.record({
        method: fc.constant('surprise' as const),
        threshold: fc.constantFrom(0, 0.3, 1),
        historyPoints: fc.constantFrom(100, 450, 4_000),
        minPoints: fc.integer({ min: 20, max: 100 }),
        quietPoints: fc.constantFrom(0, 1, 50),
      })
      let compared = 0
      await fc.assert(
        fc.asyncProperty(fc.tuple(shape, shape), surprise, async (shapes, chosen) => {
          const given = shapes.flatMap(({ seed, length, size, grain, trend }, index) => {
            const noise = noiseOf(seed)
            const values = Array.from({ length }, (_, at) => {
              const drawn = noise() ** 3
              return size * (Math.round(drawn * grain) / grain + (trend * at) / 1_000)
            })
            return values.map((each, at) => ({ series: 'ab'[index]!, bucket: bucketAt(at), value: at % 97 === 5 ? null : each }))
          })
          const expected = streamed(given, chosen)
          compared += expected.length
          expect(await inDatabase(given, chosen)).toEqual(expected.map(near))
        }),
        { numRuns: 25 },
      )
      expect(compared).toBeGreaterThan(100)
    })
  })
})
