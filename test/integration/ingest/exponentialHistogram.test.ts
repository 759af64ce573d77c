import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import {
  bucketUpperBound,
  decodeHistogram,
  downscale,
  histogramCount,
  histogramOf,
  quantileOf,
  keyOf,
  mergeHistograms,
  type ExponentialHistogram,
} from '../../../src/sketch/exponentialHistogram.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

const value = fc.oneof(
  fc.constant(0),
  fc.double({ noNaN: true, noDefaultInfinity: true }),
  fc.double({ min: -1000, max: 1000, noNaN: true }),
  // The bounds themselves are where two implementations would part.
  fc.integer({ min: -34_000, max: 32_700 }).map((index) => bucketUpperBound(index + 65_537, 5)),
)
const values = fc.array(value, { minLength: 1, maxLength: 40 })

onEveryLeg('the exponential histogram in SQL', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  it('puts every value into the bucket that TypeScript puts it into', async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(value, { minLength: 200, maxLength: 400 }), async (list) => {
        const { rows } = await sql<{ histogram: string[] }>`
          select ${scope.id('exp_histogram')}(value, 3) as histogram from unnest(${list}::float8[]) with ordinality as given (value, at) order by at
        `.execute(scope.db)
        expect(rows.map(({ histogram }) => decodeHistogram(histogram))).toEqual(list.map((number) => [5, keyOf(number), 3]))
      }),
      { numRuns: 10 },
    )
  })

  it('merges, counts and reads quantiles as TypeScript does', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.tuple(values, fc.integer({ min: -10, max: 5 })), { minLength: 1, maxLength: 6 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (lists, q) => {
          const histograms = lists.map(([list, scale]): ExponentialHistogram => downscale(histogramOf(list)!, scale))
          const merged = mergeHistograms(histograms)!
          const { rows } = await sql<{ merged: string[]; count: string; quantile: number }>`
            select merged, ${scope.id('exp_histogram_count')}(merged) as count, ${scope.id('exp_histogram_quantile')}(merged, ${q}) as quantile
            from (
              select ${scope.id('exp_histogram_merge')}(array(select jsonb_array_elements_text(histogram)::int8)) as merged
              from jsonb_array_elements(${JSON.stringify([...histograms])}::jsonb) as given (histogram)
            ) as whole
          `.execute(scope.db)
          const [row] = rows
          expect(decodeHistogram(row!.merged)).toEqual(merged)
          expect(Number(row!.count)).toBe(histogramCount(merged))
          const expected = quantileOf(merged, q)
          expect(Math.abs(row!.quantile - expected)).toBeLessThanOrEqual(1e-12 * Math.abs(expected))
        },
      ),
      { numRuns: 60 },
    )
  })

  it('skips nulls, makes null of nothing, and of what lies in no bucket', async () => {
    const { rows } = await sql`
      select
        ${scope.id('exp_histogram_merge')}(histogram) as skipped,
        ${scope.id('exp_histogram_merge')}(histogram) filter (where false) as nothing,
        ${scope.id('exp_histogram')}('NaN') as nan,
        ${scope.id('exp_histogram')}('-Infinity') as infinite,
        ${scope.id('exp_histogram')}(1, 0) as none,
        ${scope.id('exp_histogram_quantile')}('{5,0,1}', 1.5) as outside
      from (values (null::int8[]), ('{5,0,1}'), ('{5,0,2,65536,1}')) as given (histogram)
    `.execute(scope.db)
    expect(rows).toEqual([{ skipped: ['5', '0', '3', '65536', '1'], nothing: null, nan: null, infinite: null, none: null, outside: null }])
  })
})
