import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { anomalies } from '../../../src/series/anomalies/anomalies.ts'
import { baselineSeries } from '../../../src/series/anomalies/baselineSeries.ts'
import { burnRate } from '../../../src/series/budgets/burnRate.ts'
import { changePoints } from '../../../src/series/comparison/changePoints.ts'
import { compareWindows } from '../../../src/series/comparison/compareWindows.ts'
import { errorBudget } from '../../../src/series/budgets/errorBudget.ts'
import { forecast } from '../../../src/series/trends/forecast.ts'
import { linearTrend } from '../../../src/series/trends/linearTrend.ts'
import { seasonalBaseline } from '../../../src/series/anomalies/seasonalBaseline.ts'
import type { SeriesFrame, SeriesRow } from '../../../src/series/seriesFrame.ts'
import { timeToThreshold } from '../../../src/series/trends/timeToThreshold.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'
import { noise } from './noise.ts'

const season = { season: '1 hour', slot: '15 minutes' }
const half = (from: number) => ({ from: bucketAt(from), to: bucketAt(from + 15) })

/** Every answer, with options that make it say as much as it can of thirty points. */
const answers: Record<string, (scope: Scope, frame: SeriesFrame, threshold: number) => { execute(): Promise<object[]> }> = {
  'anomalies, robust-z': (scope, frame) => anomalies(scope, frame, { threshold: 0, floor: 0, minPoints: 1 }),
  'anomalies, seasonal': (scope, frame) =>
    anomalies(scope, frame, { method: 'seasonal', ...season, history: '2 hours', threshold: 0, floor: 0, minPoints: 1 }),
  'anomalies, ewma': (scope, frame) => anomalies(scope, frame, { method: 'ewma', threshold: 0, floor: 0, minPoints: 1, clip: 1e100 }),
  'anomalies, surprise': (scope, frame) => anomalies(scope, frame, { method: 'surprise', threshold: 0, minPoints: 20, quietPoints: 0 }),
  seasonalBaseline: (scope, frame) => seasonalBaseline(scope, frame, season),
  baselineSeries: (scope, frame) => baselineSeries(scope, frame, { ...season, range: half(0), spreads: 1e100 }),
  compareWindows: (scope, frame) => compareWindows(scope, frame, { baseline: half(0), candidate: half(15), minPoints: 1 }),
  errorBudget: (scope, frame) => errorBudget(scope, { total: frame, bad: frame }, { objective: 0.999 }),
  burnRate: (scope, frame) => burnRate(scope, { total: frame, bad: frame }, { objective: 0.999, at: bucketAt(30) }),
  linearTrend: (scope, frame) => linearTrend(scope, frame),
  'timeToThreshold, up': (scope, frame, threshold) => timeToThreshold(scope, frame, { threshold }),
  'timeToThreshold, down': (scope, frame, threshold) => timeToThreshold(scope, frame, { threshold, direction: 'down' }),
  forecast: (scope, frame) => forecast(scope, frame, { horizon: '1 hour', every: '10 minutes' }),
  'forecast, seasonal': (scope, frame) => forecast(scope, frame, { horizon: '1 hour', every: '10 minutes', ...season }),
  changePoints: (scope, frame) => changePoints(scope, frame, { minPoints: 2, penalty: 0.1 }),
}

/** Rows with their numbers to twelve digits. */
const rounded = (rows: readonly object[]) =>
  rows.map((row) =>
    Object.fromEntries(
      Object.entries(row).map(([name, value]) => [name, typeof value === 'number' ? Number(value.toPrecision(12)) : value]),
    ),
  )

apartFromTime('what is concluded from series', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  /** Doubles of every kind, in runs of one magnitude or mixed, and what is no number. */
  const value = fc.oneof(
    fc.double(),
    fc.double({ min: -1e3, max: 1e3 }),
    fc.constantFrom(null, 0, 1, 1e100, -1e100, 1e-100, -1e-100, 3e-99, 1e99, Number.NaN, Infinity),
  )
  const values = fc.array(value, { maxLength: 30 })
  const threshold = fc.oneof(fc.double({ min: -1e100, max: 1e100, noNaN: true }), fc.constantFrom(0, 1, 1e-100, 1e100))

  describe.each(Object.entries(answers))('%s', (_, answer) => {
    it('answers for any values, with no number that is NaN', async () => {
      await fc.assert(
        fc.asyncProperty(values, threshold, async (given, limit) => {
          for (const row of await answer(scope, frameOf(scope, points('a', given)), limit).execute()) {
            expect(Object.values(row)).not.toContain(Number.NaN)
          }
        }),
        { numRuns: 60 },
      )
    })

    it('is the same whatever a series is called, and whatever other series there are', async () => {
      const name = `it's "all" \\ of ; it -- ' %s`
      const random = noise(2)
      const given = Array.from({ length: 30 }, (_, index) => 10 + (index > 15 ? 4 : 0) + 0.1 * index + random())
      const alone = await answer(scope, frameOf(scope, points('a', given)), 20).execute()
      const other = points('other', [...given].reverse())
      const together = await answer(scope, frameOf(scope, [...other, ...points(name, given)] satisfies SeriesRow[]), 20).execute()
      expect(alone.length).toBeGreaterThan(0)
      const named = alone.map((row) => ({ ...row, series: name, ...('item' in row ? { item: name } : {}) }))
      // In which order a sum is added up is the planner's choice: its last digits are not held to.
      expect(rounded(together.filter((row) => (row as { series: string }).series === name))).toEqual(rounded(named))
    })

    it('does not depend on the session’s time zone, nor on its summer time', async () => {
      // Clocks go back in Berlin on 2026-10-25 at 01:00 UTC.
      const random = noise(4)
      const hourly = Array.from({ length: 72 }, (_, index) => ({
        series: 'a',
        bucket: new Date(Date.UTC(2026, 9, 24) + index * 3_600_000),
        value: 10 + (index % 24) + random(),
      }))
      const daily: typeof answers = {
        'anomalies, robust-z': (inside, frame) => anomalies(inside, frame, { window: '1 day', threshold: 0 }),
        'anomalies, seasonal': (inside, frame) =>
          anomalies(inside, frame, { method: 'seasonal', season: '1 day', history: '2 days', threshold: 0, minPoints: 1 }),
        seasonalBaseline: (inside, frame) => seasonalBaseline(inside, frame, { season: '1 day' }),
        forecast: (inside, frame) => forecast(inside, frame, { horizon: '2 days', every: '1 day' }),
      }
      const asked = daily[_] ?? answer
      const inZone = (zone: string) =>
        scope.db.transaction().execute(async (transaction) => {
          await sql`select set_config('timezone', ${zone}, true)`.execute(transaction)
          const inside = await tenantScope(transaction, 't-001')
          return asked(inside, frameOf(inside, hourly), 50).execute()
        })
      expect(await inZone('Europe/Berlin')).toEqual(await inZone('UTC'))
    })
  })
})
