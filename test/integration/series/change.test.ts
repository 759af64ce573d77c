import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { delta } from '../../../src/series/algebra/delta.ts'
import { rate } from '../../../src/series/algebra/rate.ts'
import type { SeriesFrame, SeriesRow } from '../../../src/series/seriesFrame.ts'
import type { StepOptions } from '../../../src/series/algebra/steps.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { frameOf, points } from '../../support/points.ts'
import { arbitraryPoints, boundedAll, near } from './arbitraryPoints.ts'

apartFromTime('the change of series', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const changes = async (how: Step, given: readonly SeriesRow[], options?: StepOptions) =>
    (await how(scope, frameOf(scope, given), options).execute()).map(({ value }) => value)

  describe.each<[string, Step, number]>([
    ['delta', delta, 1],
    ['rate', rate, 300],
  ])('%s', (_, how, seconds) => {
    it('is from one point to the next of the same series, null at the first', async () => {
      const given = [...points('a', [100, 400, 100]), ...points('b', [7, 7])]
      const rows = await how(scope, frameOf(scope, given)).execute()
      const expected = [null, 300 / seconds, -300 / seconds, null, 0]
      expect(rows).toEqual(given.map((point, index) => ({ ...point, value: expected[index] })))
    })

    it('takes a drop of a counter for a reset to zero', async () => {
      const given = points('a', [900, 1_200, 300, 300, 600])
      expect(await changes(how, given, { counter: true })).toEqual([null, 300, 300, 0, 300].map((value) => value && value / seconds))
      expect(await changes(how, given)).toEqual([null, 300, -900, 0, 300].map((value) => value && value / seconds))
    })

    it('passes over nulls, at which there is no change', async () => {
      const rows = await changes(how, points('a', [null, 300, null, null, 1_200]))
      expect(rows).toEqual([null, null, null, null, how === rate ? 1 : 900])
    })

    it('has NaN from and to a NaN, of a counter too', async () => {
      const given = points('a', [300, Number.NaN, 300, 600])
      for (const counter of [false, true])
        expect(await changes(how, given, { counter })).toEqual([null, Number.NaN, Number.NaN, 300 / seconds])
    })

    it('answers an empty frame, a single point and nothing but nulls', async () => {
      expect(await changes(how, [])).toEqual([])
      expect(await changes(how, points('a', [5]))).toEqual([null])
      expect(await changes(how, points('a', [null, null]), { counter: true })).toEqual([null, null])
    })

    it('is that of the same arithmetic in TypeScript, for any values', async () => {
      await fc.assert(
        fc.asyncProperty(arbitraryPoints({ aligned: false }), fc.boolean(), async (given, counter) => {
          const scale = Math.max(0, ...given.map(({ value }) => Math.abs(value ?? 0)).filter((size) => size <= 1e6))
          const expected = modelOf(given, counter, how === rate)
          expect(await how(scope, frameOf(scope, given), { counter }).execute()).toEqual(
            expected.map((point) => ({ ...point, value: near(point.value, scale / seconds) })),
          )
        }),
        { numRuns: 60 },
      )
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        how(scope, frameOf(scope, points('a', [1, 2, 4, 4]))),
        (eb) => eb('value', '>', 0),
        (row) => row.value !== null && row.value > 0,
      ))

    it.each([
      [{ counter: 'yes' }, /^counter: .*"yes"/],
      [{ gauge: true }, /^options: has no key "gauge"/],
    ])('refuses %j by name', (options, message) => {
      expect(() => how(scope, frameOf(scope, []), options as StepOptions)).toThrow(message)
    })
  })

  it('is how much was counted, over the resets', async () => {
    const counted = fc.array(fc.record({ more: fc.nat(1_000), reset: fc.boolean() }), { minLength: 1, maxLength: 30 })
    await fc.assert(
      fc.asyncProperty(counted, async (steps) => {
        let count = 0
        // After a reset to zero the counter must not have counted past where it was, or the reset could not be seen.
        const values = steps.map(({ more, reset }) => (count = reset && more < count ? more : count + more))
        const increases = await changes(delta, points('a', [0, ...values]), { counter: true })
        expect(increases.slice(1)).toEqual(steps.map(({ more }) => more))
      }),
      { numRuns: 40 },
    )
  })

  it('is the difference per second of time that passed, over a gap too', async () => {
    expect(await changes(rate, points('a', [0, undefined, undefined, 450]))).toEqual([null, 0.5])
  })
})

type Step = (scope: Scope, frame: SeriesFrame, options?: StepOptions) => SeriesFrame

function modelOf(given: readonly SeriesRow[], counter: boolean, perSecond: boolean): SeriesRow[] {
  const before = new Map<string, { value: number; bucket: Date }>()
  return boundedAll(given).map(({ series, bucket, value }) => {
    const last = before.get(series)
    if (value === null) return { series, bucket, value }
    before.set(series, { value, bucket })
    if (last === undefined) return { series, bucket, value: null }
    const change = counter && value < last.value ? value : value - last.value
    return { series, bucket, value: perSecond ? change / ((bucket.getTime() - last.bucket.getTime()) / 1000) : change }
  })
}
