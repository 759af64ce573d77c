import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { serviceCall1d, serviceCall1h } from '../../../src/calls/callPolicy.ts'
import { bucketStart, dateBin, dateBinLiteral } from '../../../src/database/buckets.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { bucketOf } from '../../../src/lifecycle/rollups/rollup.ts'
import { metric1d, metric1h } from '../../../src/metrics/metricPolicy.ts'
import { anyLength, anyMoment } from '../../support/grid.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { services } from '../../support/rows.ts'

const someMoments = fc.uniqueArray(anyMoment, { minLength: 1, maxLength: 40, selector: (moment) => moment.getTime() })

onEveryLeg('the beginning of a bucket', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const momentsOf = (moments: readonly Date[]) => sql`unnest(${moments.map((moment) => moment.toISOString())}::timestamptz[])`

  it('is the same in SQL and in TypeScript, for any length and moment', async () => {
    await fc.assert(
      fc.asyncProperty(anyLength, someMoments, async (length, moments) => {
        const time = sql.ref<Date>('at')
        const { rows } = await sql<{ given: Date; literal: Date; at: Date }>`
          select at, ${dateBin(length, time)} as given, ${dateBinLiteral(length, time)} as literal from ${momentsOf(moments)} as at
        `.execute(test.db)
        const expected = moments.map((at) => ({ at, given: bucketStart(length, at), literal: bucketStart(length, at) }))
        expect(rows).toEqual(expected)
      }),
    )
  })

  it.each([metric1h, metric1d, serviceCall1h, serviceCall1d])('is the same in $name', async (rollup) => {
    await fc.assert(
      fc.asyncProperty(someMoments, async (moments) => {
        const { rows } = await sql<{ start: Date }>`
          select ${sql.raw(bucketOf(scope.installation, rollup))} as start from ${momentsOf(moments)} as row (bucket)
        `.execute(test.db)
        expect(rows.map(({ start }) => start)).toEqual(moments.map((moment) => bucketStart(rollup.bucket, moment)))
      }),
      { numRuns: 20 },
    )
  })

  // TimescaleDB's community edition notes by itself what has changed.
  it.skipIf(leg.name === 'community').each([
    { rollup: metric1h, on: 'metric_1m' },
    { rollup: metric1d, on: 'metric_1h_stored' },
  ])('is the same where $on notes what has become stale', async ({ rollup, on }) => {
    const id = (await services(scope, ['urn:svc:a'])).get('urn:svc:a')!
    const [moments] = fc.sample(fc.uniqueArray(anyMoment, { minLength: 60, maxLength: 60, selector: (moment) => moment.getTime() }), 1)
    await sql`delete from pgvantage_stale_bucket`.execute(test.db)
    const labels = on === 'metric_1m' ? sql`` : sql`, labels, series_id`
    const none = on === 'metric_1m' ? sql`` : sql`, '{}'::jsonb, 0`
    await sql`
      insert into ${sql.id(on)} (bucket, tenant_id, resource_id, metric ${labels})
      select at, ${scope.tenantId}::int8, ${id}::int8, 'm' ${none} from ${momentsOf(moments!)} as at
    `.execute(test.db)
    const { rows } = await sql<{ bucket: Date }>`
      select distinct bucket from pgvantage_stale_bucket where rollup = ${rollup.name} order by bucket
    `.execute(test.db)
    const starts = [...new Set(moments!.map((moment) => bucketStart(rollup.bucket, moment).getTime()))].toSorted((a, b) => a - b)
    expect(rows.map(({ bucket }) => bucket.getTime())).toEqual(starts)
  })
})
