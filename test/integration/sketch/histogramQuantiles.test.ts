import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { apartFromTime, sharedDatabase, type TestDatabase } from '../../support/leg.ts'

apartFromTime('exp_histogram_quantiles', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await sharedDatabase()
  })
  afterAll(() => test.close())

  /** Both ways over the same histograms, each given as text or null. */
  const bothWays = async (histograms: readonly (string | null)[], q: readonly number[]) => {
    const { rows } = await sql<{ together: number[] | null; merged: (number | null)[] }>`
      select
        to_jsonb(exp_histogram_quantiles(exp_histogram_collect(exp_histogram_encode(histogram::int8[]) order by position), ${q}::float8[])) as together,
        (
          select jsonb_agg(exp_histogram_quantile(exp_histogram_merge(exp_histogram_encode(histogram::int8[])), share) order by nth)
          from unnest(${q}::float8[]) with ordinality as asked (share, nth)
        ) as merged
      from unnest(${histograms}::text[]) with ordinality as given (histogram, position)
    `.execute(test.db)
    return rows[0]!
  }

  it('is what the merged histogram says', async () => {
    expect(await bothWays(['{5,65537,1,65569,1}', '{5,65601,2}'], [0, 0.5, 0.95, 1])).toEqual({
      together: [expect.closeTo(1.01083, 5), expect.closeTo(2.02166, 5), expect.closeTo(4.04332, 5), expect.closeTo(4.04332, 5)],
      merged: expect.anything() as unknown,
    })
    expect((await bothWays([null, null], [0.5])).together).toBeNull()
  })

  it('counts ranks with the decimal that was typed', async () => {
    const twoValues = (below: number, above: number) => [`{5,65537,${below},65601,${above}}`]
    for (const [q, rank, count] of [
      [0.07, 7, 100],
      [0.28, 7, 25],
      [0.55, 55, 100],
      [0.57, 57, 100],
      [0.29, 29, 100],
    ] as const) {
      // The rank is the last of the lower value, and one less would make it the first of the upper.
      const [last, first] = [await bothWays(twoValues(rank, count - rank), [q]), await bothWays(twoValues(rank - 1, count - rank + 1), [q])]
      expect([last.together, last.merged]).toEqual([[expect.closeTo(1.01, 2)], [expect.closeTo(1.01, 2)]])
      expect([first.together, first.merged]).toEqual([[expect.closeTo(4.04, 2)], [expect.closeTo(4.04, 2)]])
    }
  })

  it('finds the last of as many values as a count can say', async () => {
    const { together, merged } = await bothWays(['{5,65537,1,65601,9223372036854775806}'], [0, 0.5, 1])
    const expected = [expect.closeTo(1.01, 2), expect.closeTo(4.04, 2), expect.closeTo(4.04, 2)] as unknown[]
    expect([together, merged]).toEqual([expected, expected])
  })

  it('of any histograms, few or many, of one scale or several, with nulls among them', async () => {
    const bucket = fc.record({
      sign: fc.constantFrom(-1, 0, 1, 1),
      offset: fc.integer({ min: -40, max: 40 }),
      count: fc.integer({ min: 1, max: 1e6 }),
    })
    const histogram = fc
      .record({ scale: fc.constantFrom(5, 5, 5, 5, 3), buckets: fc.array(bucket, { minLength: 1, maxLength: 12 }) })
      .map(({ scale, buckets }) => {
        // A value of about 1, whatever the scale.
        const counts = new Map(buckets.map(({ sign, offset, count }) => [sign * (2 ** (scale + 11) + 1 + offset) + 0, count]))
        return `{${[scale, ...[...counts].toSorted(([a], [b]) => a - b).flat()].join(',')}}`
      })
    const many = fc.array(fc.option(histogram, { nil: null, freq: 8 }), { minLength: 1, maxLength: 11 })
    await fc.assert(
      fc.asyncProperty(
        many,
        fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { minLength: 1, maxLength: 4 }),
        async (histograms, q) => {
          const { together, merged } = await bothWays(histograms, q)
          expect(together ?? q.map(() => null)).toEqual(merged)
        },
      ),
      { numRuns: 200 },
    )
  })
})
