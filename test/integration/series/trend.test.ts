import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { linearTrend } from '../../../src/series/trends/linearTrend.ts'
import { normalQuantile, normalWidth } from '../../../src/series/trends/normalQuantile.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { timeToThreshold, type TimeToThresholdOptions } from '../../../src/series/trends/timeToThreshold.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'
import { autoregressive, noise } from './noise.ts'

/** The data set Norris of NIST's Statistical Reference Datasets for linear regression: y, x. */
const norris = `0.1 0.2, 338.8 337.4, 118.1 118.2, 888.0 884.6, 9.2 10.1, 228.1 226.5, 668.5 666.3, 998.5 996.3, 449.1 448.6, 778.9 777.0,
  559.2 558.2, 0.3 0.4, 0.1 0.6, 778.1 775.5, 668.8 666.9, 339.3 338.0, 448.9 447.5, 10.8 11.6, 557.7 556.0, 228.3 228.1, 998.0 995.8, 888.8 887.6,
  119.6 120.2, 0.3 0.3, 0.6 0.3, 557.6 556.8, 339.3 339.1, 888.0 887.2, 998.5 999.0, 778.9 779.0, 10.2 11.1, 117.6 118.3, 228.9 229.2, 668.4 669.1,
  449.2 448.9, 0.2 0.5`
  .split(',')
  .map((pair) => pair.trim().split(' ').map(Number) as [number, number])

apartFromTime('trends', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const hour = (hours: number) => new Date(Date.UTC(2026, 7, 31) + Math.round(hours * 3_600_000))

  it.each([
    // Of scipy.stats.t.ppf((1 + confidence) / 2, freedom); Hill's approximation is off by 2 in 1,000 at most below 3 degrees of freedom.
    [0.95, 2, 4.302652729749464, 1e-12],
    [0.95, 2.5, 3.5746548420036817, 2e-3],
    [0.95, 3, 3.1824463052837078, 1e-5],
    [0.99, 4.4, 4.33044957082477, 1e-5],
    [0.5, 10, 0.6998120613124317, 1e-5],
    [0.9, 30, 1.6972608865939574, 1e-5],
    [0.9999, 8, 7.12000388273465, 1e-5],
    [0.95, 1_000_000, 1.959966356814107, 1e-6],
  ])('student_t_width of %d with %d degrees of freedom', async (confidence, freedom, expected, error) => {
    const { rows } = await sql<{ width: number }>`
      select ${scope.id('student_t_width')}(${confidence}::float8, ${normalWidth(confidence)}::float8, ${freedom}::float8) as width
    `.execute(scope.db)
    expect(Math.abs(rows[0]!.width / expected - 1)).toBeLessThan(error)
  })

  describe('linearTrend', () => {
    const trend = async (given: SeriesRow[], confidence?: number) => linearTrend(scope, frameOf(scope, given), { confidence }).execute()

    it('is what NIST certifies', async () => {
      const [row] = await trend(norris.map(([value, x]) => ({ series: 'a', bucket: hour(x), value })))
      expect(row!.slope_per_hour).toBeCloseTo(1.00211681802045, 10)
      expect(row!.first_level).toBeCloseTo(-0.262323073774029 + 0.2 * 1.00211681802045, 8)
      expect(row!.r2).toBeCloseTo(0.999993745883712, 10)
      // Neighbours are no more alike than chance has it: 36 points count as at least 20, so the interval is near the certified one.
      const certified = 2.0322 * 0.000429796848199937
      expect(row!.slope_upper_per_hour! - row!.slope_per_hour).toBeGreaterThan(certified * 0.999)
      expect(row!.slope_upper_per_hour! - row!.slope_per_hour).toBeLessThan(certified * 1.6)
    })

    it('has the interval of ordinary least squares where neighbours are not alike', async () => {
      const [row] = await trend(points('a', [1.1, 1.9, 3.2, 3.8, 5.1, 6.3, 6.8, 8.2, 8.9, 10.1]))
      // The lag-1 autocorrelation is -0.70. Figures of scipy.stats.linregress, and its standard error times t(0.975, 8).
      expect(row).toEqual({
        series: 'a',
        first_at: bucketAt(0),
        last_at: bucketAt(9),
        first_level: expect.closeTo(1.0345454545454542, 9),
        last_level: expect.closeTo(10.045454545454545, 9),
        slope_per_hour: expect.closeTo(12.014545454545456, 9),
        slope_lower_per_hour: expect.closeTo(11.440645974703987, 4),
        slope_upper_per_hour: expect.closeTo(12.588444934386924, 4),
        r2: expect.closeTo(0.9965791141921483, 9),
        points: 10,
        effective_points: 10,
      })
    })

    it('holds the slope that was as often as it says, whether or not neighbours are alike', async () => {
      const random = noise(7)
      const given = [0, 0.6].flatMap((likeness) =>
        Array.from({ length: 100 }, (_, index) => {
          const next = autoregressive(likeness, random)
          return Array.from({ length: 150 }, (_, at) => ({ series: `${likeness}/${index}`, bucket: hour(at), value: 0.02 * at + next() }))
        }).flat(),
      )
      const rows = await trend(given)
      for (const likeness of ['0/', '0.6/']) {
        const held = rows.filter(
          (row) => row.series.startsWith(likeness) && row.slope_lower_per_hour! <= 0.02 && row.slope_upper_per_hour! >= 0.02,
        )
        expect(held.length).toBeGreaterThanOrEqual(88)
        expect(held.length).toBeLessThan(100)
      }
      const narrow = await trend(given, 0.5)
      expect(narrow.filter((row) => row.slope_lower_per_hour! <= 0.02 && row.slope_upper_per_hour! >= 0.02).length).toBeLessThan(140)
    })

    it('is flat for a constant, for sure, and null where too few points are known', async () => {
      expect(await trend(points('a', Array<number>(20).fill(0.1)))).toMatchObject([
        { slope_per_hour: 0, slope_lower_per_hour: 0, slope_upper_per_hour: 0, r2: null, first_level: 0.1, last_level: 0.1, points: 20 },
      ])
      expect(await trend(points('a', [1, 2]))).toMatchObject([
        { slope_per_hour: expect.closeTo(12, 9), slope_lower_per_hour: null, points: 2 },
      ])
      expect(await trend([...points('a', [1]), ...points('b', [null, Number.NaN, Infinity, 3])])).toEqual([])
      expect(await trend([])).toEqual([])
    })

    it('does not mind gaps, the level, or the unit', async () => {
      const values = [3, 4, 6, 5, 8, 9, 9, 12]
      const [row] = await trend(points('a', values))
      const [high] = await trend(
        points(
          'a',
          values.map((value) => value + 1e9),
        ),
      )
      expect(high!.slope_lower_per_hour).toBeCloseTo(row!.slope_lower_per_hour!, 4)
      for (const unit of [1e-98, 1e98]) {
        const [scaled] = await trend(
          points(
            'a',
            values.map((value) => value * unit),
          ),
        )
        expect(scaled!.slope_upper_per_hour! / unit).toBeCloseTo(row!.slope_upper_per_hour!, 9)
      }
      expect(await trend(points('a', [0, undefined, undefined, 3, null, 5]))).toMatchObject([{ slope_per_hour: expect.closeTo(12, 9) }])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        linearTrend(scope, frameOf(scope, [...points('up', [1, 2, 4]), ...points('down', [4, 2, 1])])),
        (eb) => eb('slope_per_hour', '>', 0),
        (row) => row.slope_per_hour > 0,
      ))

    it('refuses a confidence that is none', () => {
      expect(() => linearTrend(scope, frameOf(scope, []), { confidence: 1 })).toThrow(/^confidence: .*1/)
    })
  })

  describe('timeToThreshold', () => {
    const rising = [1.1, 1.9, 3.2, 3.8, 5.1, 6.3, 6.8, 8.2, 8.9, 10.1]
    const crossing = async (given: SeriesRow[], options: TimeToThresholdOptions) =>
      timeToThreshold(scope, frameOf(scope, given), options).execute()
    const minutes = (row: Date | null) => (row!.getTime() - bucketAt(0).getTime()) / 60_000

    it('is when the line and its band reach the threshold', async () => {
      const [row] = await crossing(points('a', rising), { threshold: 20 })
      expect(row).toMatchObject({ series: 'a', state: 'reaches', last_at: bucketAt(9), last_level: expect.closeTo(10.045454545, 6) })
      // Where the least squares line and the band of its mean meet 20, found by root-finding (scipy's brentq).
      expect(minutes(row!.at)).toBeCloseTo(94.71246973, 4)
      expect(minutes(row!.earliest)).toBeCloseTo(91.3527925, 2)
      expect(minutes(row!.latest)).toBeCloseTo(98.4024337, 2)
    })

    it('is the same downwards, mirrored', async () => {
      const [up] = await crossing(points('a', rising), { threshold: 20 })
      const [down] = await crossing(
        points(
          'a',
          rising.map((value) => -value),
        ),
        { threshold: -20, direction: 'down' },
      )
      expect(down).toEqual({ ...up, last_level: -up!.last_level, slope_per_hour: -up!.slope_per_hour })
    })

    it('may have happened already, and may never', async () => {
      const falling = [...rising].reverse()
      const none = { at: null, earliest: null, latest: null }
      expect(await crossing(points('a', rising), { threshold: 8 })).toMatchObject([{ state: 'already', ...none }])
      expect(await crossing(points('a', rising), { threshold: 20, direction: 'down' })).toMatchObject([{ state: 'already', ...none }])
      expect(await crossing(points('a', falling), { threshold: 20 })).toMatchObject([{ state: 'never', ...none }])
      expect(await crossing(points('a', Array<number>(9).fill(3)), { threshold: 20 })).toMatchObject([{ state: 'never', ...none }])
      expect(await crossing(points('a', Array<number>(9).fill(3)), { threshold: 3 })).toMatchObject([{ state: 'already', ...none }])
    })

    it('is never where it is beyond the horizon', async () => {
      expect(await crossing(points('a', rising), { threshold: 20, horizon: '30 minutes' })).toMatchObject([{ state: 'never', at: null }])
      // The line needs 49.7 minutes more, the near edge of the band 46.4, the far one 53.4.
      expect(await crossing(points('a', rising), { threshold: 20, horizon: '48 minutes' })).toMatchObject([
        { state: 'never', at: null, earliest: expect.any(Date), latest: null },
      ])
      expect(await crossing(points('a', rising), { threshold: 20, horizon: '51 minutes' })).toMatchObject([
        { state: 'reaches', at: expect.any(Date), earliest: expect.any(Date), latest: null },
      ])
    })

    it('has no latest where the trend may be none', async () => {
      const random = noise(3)
      const vague = Array.from({ length: 40 }, (_, index) => 0.02 * index + random())
      const [row] = await crossing(points('a', vague), { threshold: 30 })
      expect(row).toMatchObject({ state: 'reaches', latest: null })
      expect(row!.earliest!.getTime()).toBeLessThan(row!.at!.getTime())
      expect(row!.earliest!.getTime()).toBeGreaterThan(row!.last_at.getTime())
    })

    it('holds the time that was, about as often as it says', async () => {
      const random = noise(11)
      const given = Array.from({ length: 200 }, (_, index) =>
        Array.from({ length: 60 }, (_, at) => ({ series: String(index), bucket: hour(at), value: 0.1 * at + random() })),
      ).flat()
      const rows = await crossing(given, { threshold: 12 })
      const held = rows.filter((row) => row.earliest! <= hour(120) && (row.latest === null || row.latest >= hour(120)))
      expect(held.length).toBeGreaterThanOrEqual(180)
      expect(held.length).toBeLessThan(200)
    })

    it('has the soonest first, after what is there already', async () => {
      const given = [
        ...points('late', [1, 2, 3]),
        ...points('soon', [4, 6, 8]),
        ...points('there', [30, 31, 32]),
        ...points('away', [3, 2, 1]),
      ]
      const rows = await crossing([...given, ...points('alone', [5])], { threshold: 20 })
      expect(rows.map(({ series, state }) => [series, state])).toEqual([
        ['there', 'already'],
        ['soon', 'reaches'],
        ['late', 'reaches'],
        ['away', 'never'],
      ])
    })

    it.each([
      [[1e100, -1e100, 1e100, -1e100, 1e99, 1e98], 1],
      [[1e-100, 2e-100, 2e-100, 5e-100, 1e-100, -1e-100], 1e100],
      [[1e-100, 2e-100, 2e-100, 5e-100, 1e-100, 1e100], 0],
      [[0, 0, 0, 0, 0, 1e-100], 1e-100],
    ])('answers %j and %d', async (values, threshold) => {
      expect(await crossing(points('a', values), { threshold })).toHaveLength(1)
      expect(await crossing(points('a', values), { threshold, direction: 'down' })).toHaveLength(1)
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        timeToThreshold(scope, frameOf(scope, [...points('up', [1, 2, 4]), ...points('down', [4, 2, 1])]), { threshold: 9 }),
        (eb) => eb('state', '=', 'reaches'),
        (row) => row.state === 'reaches',
      ))

    it.each<[TimeToThresholdOptions, RegExp]>([
      [{ threshold: Number.NaN }, /^threshold: /],
      [{ threshold: 1, horizon: '1 year' }, /^horizon: .*"1 year"/],
      [{ threshold: 1, confidence: 0.1 }, /^confidence: .*0\.1/],
    ])('refuses %j by name', (options, message) => {
      expect(() => timeToThreshold(scope, frameOf(scope, []), options)).toThrow(message)
    })
  })

  it('the normal quantile is that of the tables', () => {
    // scipy.stats.norm.ppf
    expect(normalQuantile(0.975)).toBeCloseTo(1.959963984540054, 13)
    expect(normalQuantile(0.3)).toBeCloseTo(-0.5244005127080409, 13)
    expect(normalQuantile(1e-10)).toBeCloseTo(-6.361340902404056, 13)
    expect(normalQuantile(1e-300)).toBeCloseTo(-37.0470962993612, 11)
    expect(normalWidth(0.9)).toBeCloseTo(1.6448536269514729, 13)
  })
})
