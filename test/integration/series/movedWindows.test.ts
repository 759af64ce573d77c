import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { movingQuantile, type MovingQuantileOptions } from '../../../src/series/algebra/movingQuantile.ts'
import { windowReference } from '../../../src/series/anomalies/windowReference.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { onEveryLeg, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { frameOf, points } from '../../support/points.ts'
import { sortedQuantiles, sortedReference } from '../../support/sortedWindows.ts'
import { arbitraryPoints } from './arbitraryPoints.ts'

/** Longer series than those of other tests, whose values come again and again: levels, steps, and what no measurement should be. */
const manyPoints: fc.Arbitrary<SeriesRow[]> = fc
  .array(
    fc.tuple(
      fc.oneof(
        { weight: 6, arbitrary: fc.double({ min: -1e6, max: 1e6, noNaN: true }) },
        { weight: 6, arbitrary: fc.integer({ min: 0, max: 3 }) },
        { weight: 2, arbitrary: fc.constantFrom(null, Number.NaN, Infinity, -Infinity, 1e100, -1e100, 1e-100, 5e-324) },
      ),
      fc.oneof({ weight: 9, arbitrary: fc.constant(0) }, fc.nat(40)),
    ),
    { maxLength: 150 },
  )
  .map((given) =>
    points(
      'a',
      given.flatMap(([value, gap]) => [...Array<undefined>(gap).fill(undefined), value === 0 ? 0 : value]),
    ),
  )

const frames = fc.oneof(manyPoints, arbitraryPoints(), arbitraryPoints({ aligned: false }))
const minutes = fc.integer({ min: 1, max: 600 }).map((length) => `${length} minutes`)
const windows = fc.oneof(
  fc.integer({ min: 1, max: 60 }).map((length) => ({ points: length })),
  minutes.map((window) => ({ window })),
)
const shares = fc.oneof(fc.constantFrom(0, 0.5, 0.95, 1, 5e-324, 1e-200, 1e-149), fc.double({ min: 0, max: 1, noNaN: true }))

onEveryLeg('a window that moves', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  it('has the quantile of its values sorted, to the last bit', async () => {
    await fc.assert(
      fc.asyncProperty(frames, shares, windows, async (given, q, window) => {
        const options: MovingQuantileOptions = { q, ...window }
        const frame = frameOf(scope, given)
        expect(await movingQuantile(scope, frame, options).execute()).toEqual(await sortedQuantiles(scope, frame, options).execute())
      }),
      { numRuns: 150 },
    )
  })

  it('has the median and the deviation of its values sorted, to the last bit', async () => {
    await fc.assert(
      fc.asyncProperty(
        frames,
        minutes,
        fc.integer({ min: 1, max: 6 }),
        fc.constantFrom(0, 0.05),
        async (given, window, minPoints, floor) => {
          const settings = { window, minPoints, floor, minSpread: 0 }
          const frame = frameOf(scope, given)
          const ours = await windowReference(scope, frame, settings)
            .orderBy(sql`history.series collate "C"`)
            .orderBy('point.bucket')
            .execute()
          expect(ours).toEqual(await sortedReference(scope, frame, settings).execute())
        },
      ),
      { numRuns: 150 },
    )
  })

  it('follows two levels that alternate, and a jump from one to the other', async () => {
    const given = points('a', [
      ...Array.from({ length: 120 }, (_, at) => (at % 2) * 1000 + (at % 7)),
      ...Array.from({ length: 120 }, (_, at) => (at < 60 ? at : 5000 - at)),
    ])
    const settings = { window: '5 hours', minPoints: 1, floor: 0, minSpread: 0 }
    const ours = windowReference(scope, frameOf(scope, given), settings).orderBy('point.bucket')
    expect(await ours.execute()).toEqual(await sortedReference(scope, frameOf(scope, given), settings).execute())
  })

  it('by time holds both points of one bucket; the window before them holds neither', async () => {
    const twice = [...points('a', [1, 5, 2, 8, 3, 9]), ...points('a', [4, 4, 4, 4, 4, 4])]
    const frame = frameOf(scope, twice)
    const ranked = (rows: readonly SeriesRow[]) => rows.map(({ value }) => value)
    const options: MovingQuantileOptions = { q: 0.75, window: '10 minutes' }
    expect(ranked(await movingQuantile(scope, frame, options).execute())).toEqual(
      ranked(await sortedQuantiles(scope, frame, options).execute()),
    )
    const settings = { window: '15 minutes', minPoints: 2, floor: 0, minSpread: 0 }
    const known = (rows: readonly { expected: number; spread: number }[]) => rows.map(({ expected, spread }) => [expected, spread])
    expect(known(await windowReference(scope, frame, settings).orderBy('point.bucket').execute())).toEqual(
      known(await sortedReference(scope, frame, settings).execute()),
    )
  })

  it('raises no error for arrays that do not fit together', async () => {
    const call = (name: string, given: ReturnType<typeof sql>) => sql`select * from ${scope.id(name)}(${given})`.execute(scope.db)
    const odd = [
      sql`null::timestamptz[], null::float8[], null::timestamptz[]`,
      sql`array[]::timestamptz[], array[1, 2, null]::float8[], array[]::timestamptz[]`,
      sql`array['2026-01-01Z', null, '2026-01-03Z', '2026-01-02Z']::timestamptz[], array[1, 2, 3]::float8[], null::timestamptz[]`,
      sql`array['2026-01-01Z', '2026-01-02Z']::timestamptz[], array[1, null, 3]::float8[], array[null, '2026-01-01Z', '2027-01-01Z', '2025-01-01Z']::timestamptz[]`,
      sql`array['2026-01-01Z', '2026-01-02Z', 'infinity']::timestamptz[], array[1, 2, 3]::float8[], array['-infinity', '2027-01-01Z', 'infinity']::timestamptz[]`,
    ]
    for (const arrays of odd) {
      for (const points of [null, -1, 0, 2]) {
        await call('moving_quantiles', sql`${arrays}, ${points}::int4, 0.5`)
        await call('moving_quantiles', sql`${arrays}, ${points}::int4, null`)
        await call('moving_medians', sql`${arrays}, ${points}::int4`)
      }
    }
  })
})
