import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { burnRate, type BurnRateOptions } from '../../../src/series/budgets/burnRate.ts'
import { errorBudget } from '../../../src/series/budgets/errorBudget.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'

apartFromTime('service levels', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const counts = (total: SeriesRow[], bad: SeriesRow[]) => ({ total: frameOf(scope, total), bad: frameOf(scope, bad) })

  it('takes an objective for the decimal it was typed as: exactly what is allowed burns 1, fires nothing and leaves 0', async () => {
    // An objective of 2 to 7 decimals, and as many events that what it allows of them is a whole number.
    const exactly = fc
      .tuple(fc.integer({ min: 1, max: 7 }), fc.integer({ min: 1, max: 10 ** 7 - 1 }), fc.integer({ min: 1, max: 1_000 }))
      .map(([decimals, digits, times]) => {
        const whole = 10 ** decimals
        const bad = 1 + (digits % (whole - 1))
        return { objective: Number(`0.${`${whole - bad}`.padStart(decimals, '0')}`), total: whole * times, bad: bad * times }
      })
    const known = [0.9, 0.99, 0.999, 0.9999, 0.99999, 0.999999, 0.995, 0.9995, 0.95, 0.975, 0.93].map((objective) => {
      const decimals = `${objective}`.length - 2
      return { objective, total: 10 ** decimals, bad: 10 ** decimals - Number(`${objective}`.slice(2)) }
    })
    for (const { objective, total, bad } of [...known, ...fc.sample(exactly, { numRuns: 60, seed: 1 })]) {
      const given = (more: number) => counts(points('a', [total]), points('a', [bad + more]))
      const [budget] = await errorBudget(scope, given(0), { objective }).execute()
      expect(budget).toMatchObject({ allowed: bad, remaining: 0, score: 1 })
      const windows = [{ long: '10 minutes', short: '5 minutes', burn: 1 }]
      const burnt = async (more: number) => (await burnRate(scope, given(more), { objective, windows, at: bucketAt(1) }).execute())[0]
      expect(await burnt(0), `${bad} of ${total} at ${objective}`).toMatchObject({ long_burn: 1, short_burn: 1, firing: false })
      expect(await burnt(1)).toMatchObject({ firing: true })
    }
  })

  it.each([14.4, 6, 13.44, 1.1, 0.7])('does not fire at a burn of exactly %d', async (burn) => {
    const total = 1_000_000
    const windows = [{ long: '10 minutes', short: '5 minutes', burn }]
    const burnt = (bad: number) =>
      burnRate(scope, counts(points('a', [total]), points('a', [bad])), { objective: 0.999, windows, at: bucketAt(1) }).execute()
    const exactly = Math.round(burn * 1_000)
    expect(await burnt(exactly)).toMatchObject([{ long_burn: burn, firing: false }])
    expect(await burnt(exactly + 1)).toMatchObject([{ firing: true }])
  })

  describe('errorBudget', () => {
    it('says how many bad events were allowed, and what is left of them', async () => {
      const given = counts(points('a', [400, 600, 1_000]), points('a', [0, 0.5, 1]))
      expect(await errorBudget(scope, given, { objective: 0.999 }).execute()).toEqual([
        {
          series: 'a',
          item: 'a',
          total: 2_000,
          bad: 1.5,
          sli: expect.closeTo(0.99925, 12),
          allowed: expect.closeTo(2, 9),
          remaining: expect.closeTo(0.25, 9),
          score: expect.closeTo(0.75, 9),
        },
      ])
    })

    it('has the least left first, overspent before all, unknown last', async () => {
      const given = counts(
        [...points('calm', [1_000]), ...points('spent', [1_000]), ...points('over', [1_000]), ...points('idle', [0, null])],
        [...points('spent', [10]), ...points('over', [30]), ...points('unheard of', [5])],
      )
      const rows = await errorBudget(scope, given, { objective: 0.99 }).execute()
      expect(rows).toMatchObject([
        { series: 'over', remaining: expect.closeTo(-2, 9), score: expect.closeTo(3, 9) },
        { series: 'spent', remaining: expect.closeTo(0, 9) },
        { series: 'calm', bad: 0, sli: 1, remaining: 1, score: 0 },
        { series: 'idle', total: 0, sli: null, remaining: null, score: null },
        { series: 'unheard of', total: 0, bad: 5, sli: null, remaining: null, score: null },
      ])
    })

    it('counts the buckets of a half-open range, and no null or NaN', async () => {
      const given = counts(points('a', [100, 100, 100, null, Number.NaN]), points('a', [7, 1, 5, 9, Infinity]))
      const [row] = await errorBudget(scope, given, { objective: 0.9, range: { from: bucketAt(1), to: bucketAt(2) } }).execute()
      expect(row).toMatchObject({ total: 100, bad: 1, remaining: expect.closeTo(0.9, 9) })
      expect((await errorBudget(scope, given, { objective: 0.9 }).execute())[0]).toMatchObject({ total: 300, bad: 22 })
      expect(await errorBudget(scope, counts([], []), { objective: 0.9 }).execute()).toEqual([])
    })

    it.each([0, 1, 1.2, Number.NaN])('refuses an objective of %d', (objective) => {
      expect(() => errorBudget(scope, counts([], []), { objective })).toThrow(/^objective: /)
    })
  })

  describe('burnRate', () => {
    /** 100 events every five minutes, up to bucket `length`. */
    const steady = (length: number) => points('a', Array<number>(length).fill(100))
    const burning = (total: SeriesRow[], bad: SeriesRow[], options: Partial<BurnRateOptions> = {}) =>
      burnRate(scope, counts(total, bad), { objective: 0.99, at: bucketAt(72), ...options })

    it('is the share of bad events by the share allowed, over both windows, and fires when both are above', async () => {
      const bad = points(
        'a',
        Array.from({ length: 72 }, (_, index) => (index >= 66 ? 20 : 0)),
      )
      const rows = await burning(steady(72), bad).execute()
      expect(rows).toEqual([
        // Six buckets of twelve are 20 % bad: 10 %, ten times what is allowed.
        {
          series: 'a',
          long_window: '1 hour',
          short_window: '5 minutes',
          burn: 14.4,
          long_burn: expect.closeTo(10, 9),
          short_burn: expect.closeTo(20, 9),
          firing: false,
        },
        {
          series: 'a',
          long_window: '6 hours',
          short_window: '30 minutes',
          burn: 6,
          long_burn: expect.closeTo(20 / 12, 9),
          short_burn: expect.closeTo(20, 9),
          firing: false,
        },
        {
          series: 'a',
          long_window: '3 days',
          short_window: '6 hours',
          burn: 1,
          long_burn: expect.closeTo(20 / 12, 9),
          short_burn: expect.closeTo(20 / 12, 9),
          firing: true,
        },
      ])
    })

    it('stops firing soon after the trouble did', async () => {
      const bad = (until: number) =>
        points(
          'a',
          Array.from({ length: 72 }, (_, index) => (index >= 60 && index < until ? 40 : 0)),
        )
      const pages = async (until: number) => (await burning(steady(72), bad(until)).where('long_window', '=', '1 hour').execute())[0]
      expect(await pages(72)).toMatchObject({ long_burn: expect.closeTo(40, 9), firing: true })
      expect(await pages(71)).toMatchObject({ short_burn: 0, firing: false })
    })

    it('takes windows for half-open: what begins at their end is not in them', async () => {
      const windows = [{ long: '10 minutes', short: '5 minutes', burn: 1 }]
      const given = (at: number) => burning(steady(5), points('a', [0, 1, 2, 3, 4]), { windows, at: bucketAt(at) }).execute()
      expect(await given(3)).toMatchObject([{ long_burn: expect.closeTo(1.5, 9), short_burn: expect.closeTo(2, 9), firing: true }])
      expect(await given(1)).toMatchObject([{ long_burn: 0, short_burn: 0, firing: false }])
      expect(await given(0)).toEqual([])
      expect(await given(6)).toMatchObject([{ long_burn: expect.closeTo(4, 9), short_burn: null, firing: false }])
      expect(await given(20)).toEqual([])
    })

    it('keeps the order of windows as given, for each series, and is narrowed in SQL as in TypeScript', async () => {
      const windows = [
        { long: '2 hours', short: '10 minutes', burn: 2 },
        { long: '1 hour', short: '5 minutes', burn: 5 },
      ]
      const total = [...steady(72), ...points('b', Array<number>(72).fill(10))]
      const rows = burning(total, points('b', Array<number>(72).fill(1)), { windows })
      expect((await rows.execute()).map(({ series, long_window, firing }) => [series, long_window, firing])).toEqual([
        ['a', '2 hours', false],
        ['a', '1 hour', false],
        ['b', '2 hours', true],
        ['b', '1 hour', true],
      ])
      await expectNarrows(
        rows,
        (eb) => eb('firing', '=', true),
        (row) => row.firing,
      )
    })

    it.each<[Partial<BurnRateOptions>, RegExp]>([
      [{ objective: 1 }, /^objective: .*1/],
      [{ windows: [] }, /^windows: /],
      [{ windows: [{ long: '5 minutes', short: '1 hour', burn: 1 }] }, /^windows\[0\]\.short: must be shorter .*"1 hour"/],
      [{ windows: [{ long: 'an hour', short: '1 minute', burn: 1 }] }, /^windows\[0\]\.long: .*"an hour"/],
      [{ windows: [{ long: '1 hour', short: '1 minute', burn: 0 }] }, /^windows\[0\]\.burn: .*0/],
      [{ at: new Date('never') }, /^at: /],
    ])('refuses %j by name', (options, message) => {
      expect(() => burning([], [], options)).toThrow(message)
    })
  })
})
