import fc from 'fast-check'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { histogramQuantile } from '../../../src/sketch/histogramQuantile.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, insertMetrics, nearestRank } from '../../support/rows.ts'

onEveryLeg('histogramQuantile', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const quantile = async (metric: string, q: number) => {
    const { value } = await scope.db
      .selectFrom(scope.table('metric_1m', 'row'))
      .where('row.tenant_id', '=', scope.tenantId)
      .where('row.metric', '=', metric)
      .select(({ ref }) =>
        histogramQuantile(scope, { histogram: ref('row.histogram'), count: ref('row.sample_count'), single: ref('row.avg_val') }, q).as(
          'value',
        ),
      )
      .executeTakeFirstOrThrow()
    return value
  }

  it('is within 1.083 % of the sample of that rank, however the samples are spread over rows', async () => {
    let run = 0
    const sample = fc.double({ min: -1e6, max: 1e6, noNaN: true }).filter((value) => value === 0 || Math.abs(value) > 1e-6)
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.array(sample, { minLength: 1, maxLength: 20 }), { minLength: 1, maxLength: 5 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        async (minutes, q) => {
          const metric = `m${++run}`
          await insertMetrics(
            scope,
            minutes.map((samples, minute) => ({ bucket: at(`10:0${minute}`), resource: 'urn:a', metric, samples })),
          )
          const exact = nearestRank(minutes.flat(), q)!
          expect(Math.abs((await quantile(metric, q))! - exact)).toBeLessThanOrEqual(0.01084 * Math.abs(exact))
        },
      ),
      { numRuns: 40 },
    )
  })

  it('is null where no row says anything, and leaves out a row of unknown distribution', async () => {
    expect(await quantile('unknown', 0.5)).toBeNull()
    await insertMetrics(scope, [{ bucket: at('10:00'), resource: 'urn:a', metric: 'several', avg_val: 5, sample_count: 9 }])
    expect(await quantile('several', 0.5)).toBeNull()
  })

  it.each([-0.1, 1.1, Number.NaN, 95])('refuses q = %d', async (q) => {
    await expect(quantile('m', q)).rejects.toThrow(/^q: must be between 0 and 1/)
  })
})
