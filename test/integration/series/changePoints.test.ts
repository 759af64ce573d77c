import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { changePoints, type ChangePointOptions } from '../../../src/series/comparison/changePoints.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'
import { autoregressive, noise } from './noise.ts'

apartFromTime('changePoints', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const changes = (given: SeriesRow[], options?: ChangePointOptions) => changePoints(scope, frameOf(scope, given), options).execute()
  /** Levels one after another, `length` points each, with noise of standard deviation 1. */
  const levels = (heights: readonly number[], length: number, seed = 1) => {
    const random = noise(seed)
    return heights.flatMap((height) => Array.from({ length }, () => height + random()))
  }
  const places = (rows: readonly { bucket: Date }[]) => rows.map(({ bucket }) => (bucket.getTime() - bucketAt(0).getTime()) / 300_000)

  it('says when the level changed, from what to what, and how sure that is', async () => {
    const rows = await changes(points('a', [...Array<number>(20).fill(3), ...Array<number>(30).fill(5)]))
    // The first level, that of the fewer points, counts as three deviations away from the other: 20 times 3 * 30 / 50, by the root of 20 * 30 / 50.
    expect(rows).toEqual([
      {
        series: 'a',
        item: 'a',
        bucket: bucketAt(20),
        before_level: 3,
        after_level: 5,
        shift: 2,
        direction: 'up',
        before_points: 20,
        after_points: 30,
        score: expect.closeTo(36 / Math.sqrt(12), 9),
      },
    ])
  })

  it('finds several, up and down, each where it was', async () => {
    const rows = await changes(points('a', levels([10, 14, 10, 5, 8], 100)))
    expect(rows.map(({ direction }) => direction)).toEqual(['up', 'down', 'down', 'up'])
    places(rows).forEach((place, index) => expect(Math.abs(place - 100 * (index + 1))).toBeLessThanOrEqual(3))
    expect(rows.map(({ before_points }) => before_points).reduce((sum, count) => sum + count)).toBe(places(rows).at(-1))
    expect(rows[1]!.before_level).toBe(rows[0]!.after_level)
  })

  it.each([
    ['an empty frame', []],
    ['a single point', [7]],
    ['a constant', Array<number>(100).fill(0.1)],
    ['noise', levels([10], 300)],
    ['spikes', levels([10], 300).map((value, index) => (index % 60 === 30 ? 1e9 : value))],
    ['too few points on one side', [...levels([10], 50), ...Array<number>(4).fill(90)]],
    ['nothing but null and NaN', [null, Number.NaN, Infinity]],
  ])('finds nothing in %s', async (_, values) => {
    expect(await changes(points('a', values))).toEqual([])
  })

  it('finds a change in spite of spikes, and does not mind the unit', async () => {
    const values = levels([10, 13], 80).map((value, index) => (index % 40 === 20 ? 1e9 : value))
    const rows = await changes(points('a', values))
    expect(rows).toHaveLength(1)
    expect(Math.abs(places(rows)[0]! - 80)).toBeLessThanOrEqual(3)
    const scaled = await changes(
      points(
        'a',
        values.map((value) => value * 1024),
      ),
    )
    expect(scaled).toMatchObject([{ bucket: rows[0]!.bucket, score: expect.closeTo(rows[0]!.score, 9) }])
  })

  it.each([0, 0.5, 0.8])('does not take points that are alike (%d) for changes, and finds one among them', async (likeness) => {
    const next = autoregressive(likeness, noise(2))
    const series = (name: string, height: number) =>
      points(
        name,
        Array.from({ length: 400 }, (_, index) => next() + (index < 200 ? 0 : height)),
      )
    const given = Array.from({ length: 20 }, (_, index) => [...series(`calm ${index}`, 0), ...series(`changed ${index}`, 6)]).flat()
    const rows = await changes(given)
    expect(rows.filter(({ series }) => series.startsWith('calm')).length).toBeLessThanOrEqual(likeness > 0.5 ? 6 : 1)
    const found = rows.filter(({ series, bucket }) => series.startsWith('changed') && Math.abs(places([{ bucket }])[0]! - 200) <= 3)
    expect(found.length).toBeGreaterThanOrEqual(18)
  })

  it('takes a level for one from minPoints on, and needs more to be sure the higher the penalty', async () => {
    const short = points('a', [...levels([10], 40), ...levels([60], 4), ...levels([10], 40, 3)])
    expect(await changes(short)).toEqual([])
    const step = points('a', levels([10, 11.5], 60))
    expect(await changes(step)).toHaveLength(1)
    expect(await changes(step, { penalty: 40 })).toEqual([])
  })

  it('judges each series by itself, whatever gaps it has', async () => {
    const values = levels([10, 20], 30)
    const gappy = values.flatMap((value, index) => (index % 7 === 3 ? [undefined, null, Number.NaN, value] : [value]))
    const rows = await changes([...points('b', values), ...points('a', gappy), ...points('c', levels([10, 10], 30))])
    expect(rows.map(({ series }) => series)).toEqual(['a', 'b'])
    expect(rows[0]).toMatchObject({
      before_level: rows[1]!.before_level,
      after_level: rows[1]!.after_level,
      score: rows[1]!.score,
      before_points: 30,
    })
  })

  it('is narrowed in SQL as in TypeScript', () =>
    expectNarrows(
      changePoints(scope, frameOf(scope, points('a', levels([10, 20, 10], 40)))),
      (eb) => eb('direction', '=', 'down'),
      (row) => row.direction === 'down',
    ))

  it('refuses a series that is too long in one sentence, and options out of range by name', async () => {
    const long = scope.db
      .selectFrom(
        sql<SeriesRow>`(
          select 'a' as series, '2026-01-01T00:00:00Z'::timestamptz + step * interval '1 minute' as bucket, 1::float8 as value
          from generate_series(1, 50001) as step
        )`.as('long'),
      )
      .selectAll('long')
    await expect(changePoints(scope, long).execute()).rejects.toThrow(/at most 50000 points of a series, this one has 50001/)
    expect(() => changePoints(scope, frameOf(scope, []), { minPoints: 1 })).toThrow(/^minPoints: .*1/)
    expect(() => changePoints(scope, frameOf(scope, []), { penalty: 0 })).toThrow(/^penalty: .*0/)
  })

  describe('change_points', () => {
    it('is empty for no values at all', async () => {
      const { rows } = await sql`select * from ${scope.id('change_points')}(array[]::float8[], 5, 1::float8)`.execute(scope.db)
      expect(rows).toEqual([])
    })
  })
})
