import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import {
  bucketUpperBound,
  decodeHistogram,
  downscale,
  encodeHistogram,
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
        const { rows } = await sql<{ histogram: Buffer }>`
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
        fc.array(fc.tuple(values, fc.oneof(fc.constant(5), fc.integer({ min: -10, max: 5 }))), { minLength: 1, maxLength: 12 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (lists, q) => {
          const histograms = lists.map(([list, scale]): ExponentialHistogram => downscale(histogramOf(list)!, scale))
          const merged = mergeHistograms(histograms)!
          const { rows } = await sql<{ stored: string[]; merged: Buffer; opened: string[]; count: string; quantile: number }>`
            select stored, merged, ${scope.id('exp_histogram_decode')}(merged) as opened,
              ${scope.id('exp_histogram_count')}(merged) as count, ${scope.id('exp_histogram_quantile')}(merged, ${q}) as quantile
            from (
              select array_agg(encode(histogram, 'hex') order by at) as stored, ${scope.id('exp_histogram_merge')}(histogram) as merged
              from (
                select at, ${scope.id('exp_histogram_encode')}(array(select jsonb_array_elements_text(given.histogram)::int8)) as histogram
                from jsonb_array_elements(${JSON.stringify([...histograms])}::jsonb) with ordinality as given (histogram, at)
              ) as each
            ) as whole
          `.execute(scope.db)
          const [row] = rows
          expect(row!.stored).toEqual(histograms.map((histogram) => encodeHistogram(histogram).toString('hex')))
          expect(Buffer.from(row!.merged).toString('hex')).toBe(encodeHistogram(merged).toString('hex'))
          expect(row!.opened.map(Number)).toEqual(merged)
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
        ${scope.id('exp_histogram_quantile')}(${scope.id('exp_histogram')}(0), 1.5) as outside
      from (
        select ${scope.id('exp_histogram_encode')}(open::int8[]) as histogram from (values (null), ('{5,0,1}'), ('{5,0,2,65536,1}')) as given (open)
      ) as each
    `.execute(scope.db)
    expect(rows).toEqual([{ skipped: expect.anything() as unknown, nothing: null, nan: null, infinite: null, none: null, outside: null }])
    expect(decodeHistogram((rows[0] as { skipped: Buffer }).skipped)).toEqual([5, 0, 3, 65_536, 1])
  })

  it('takes bytes that are not a histogram for one without values', async () => {
    const whole = encodeHistogram([5, 0, 2, 65_536, 300, 65_540, 1]).toString('hex')
    const broken = fc.oneof(
      fc.uint8Array({ maxLength: 40 }).map((bytes) => Buffer.from(bytes).toString('hex')),
      // A histogram with one byte changed, or cut off.
      fc.tuple(fc.nat({ max: whole.length / 2 - 1 }), fc.nat({ max: 255 })).map(([at, byte]) => {
        const bytes = Buffer.from(whole, 'hex')
        bytes[at] = byte
        return bytes.toString('hex')
      }),
      fc.nat({ max: whole.length / 2 }).map((length) => whole.slice(0, 2 * length)),
    )
    await fc.assert(
      fc.asyncProperty(fc.array(fc.oneof(fc.constant(whole), broken), { minLength: 1, maxLength: 12 }), async (given) => {
        const { rows } = await sql<{ merged: Buffer | null }>`
          select
            ${scope.id('exp_histogram_merge')}(histogram) as merged,
            ${scope.id('exp_histogram_count')}(${scope.id('exp_histogram_merge')}(histogram)) as count,
            ${scope.id('exp_histogram_quantile')}(${scope.id('exp_histogram_merge')}(histogram), 0.5) as quantile,
            ${scope.id('exp_histogram_quantiles')}(array_agg(histogram), array[0, 0.5, 1]) as quantiles,
            array_agg(${scope.id('exp_histogram_decode')}(histogram)::text) as opened
          from (select decode(hex, 'hex') as histogram from unnest(${given}::text[]) as given (hex)) as each
        `.execute(scope.db)
        expect(rows).toHaveLength(1)
      }),
      { numRuns: 150 },
    )
    const { rows } = await sql<{ count: string | null; quantile: number | null }>`
      select ${scope.id('exp_histogram_count')}(histogram) as count, ${scope.id('exp_histogram_quantile')}(histogram, 0.5) as quantile
      from (values (''::bytea), ('\\x1f110000010000000001'), ('\\x0f41000001000000000001'), ('\\x0f1100000100000001')) as given (histogram)
    `.execute(scope.db)
    expect(rows.map(({ quantile }) => quantile)).toEqual([null, null, null, expect.closeTo(0.99, 2)])
    expect(rows.map(({ count }) => count)).toEqual([null, null, null, '1'])
  })
})
