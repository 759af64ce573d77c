import { Readable } from 'node:stream'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { ingest } from '../../../src/ingest/ingest.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

const day = 86_400_000
const now = Date.now()

/** A request of a service that names itself after its age: a point and a call. */
function request(daysAgo: number): string {
  const time = BigInt(now - daysAgo * day) * 1_000_000n
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: `aged-${daysAgo}` } }] }
  const gauge = { dataPoints: [{ timeUnixNano: String(time), asDouble: 1 }] }
  const span = {
    traceId: String(daysAgo).padStart(32, '1'),
    spanId: String(daysAgo).padStart(16, '1'),
    kind: 2,
    startTimeUnixNano: String(time),
    endTimeUnixNano: String(time + 1_000_000n),
  }
  return `${JSON.stringify({
    resourceMetrics: [{ resource, scopeMetrics: [{ metrics: [{ name: 'm', gauge }] }] }],
  })}\n${JSON.stringify({ resourceSpans: [{ resource, scopeSpans: [{ spans: [span] }] }] })}\n`
}

onEveryLeg('telemetry older than its table keeps', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  async function load(ages: readonly number[], acceptOld = false) {
    const lines = ages.map((age) => request(age))
    const { tooOld } = await ingest(scope, Readable.from(lines), { acceptOld })
    return tooOld
  }
  const ages = async (table: 'metric_1m' | 'service_call_5m') => {
    const { rows } = await sql<{ bucket: Date }>`select bucket from ${scope.id(table)} order by bucket desc`.execute(test.db)
    return rows.map(({ bucket }) => Math.round((now - bucket.getTime()) / day))
  }

  it('is kept while nobody has said how long that is, refused and counted by kind after, and taken where it is asked for', async () => {
    expect(await load([0, 300])).toEqual({ metrics: 0, traces: 0, logs: 0 })
    expect(await ages('metric_1m')).toEqual([0, 300])

    await sql`
      insert into pgvantage_policy (object, kind, settings)
      values ('metric_1m', 'retention', '{"retain": "100 days"}'), ('service_call_5m', 'retention', '{"retain": "1000 days"}')
    `.execute(test.db)
    // A call keeps longer than a point, and a chunk is kept until all of it is too old.
    expect(await load([1, 99, 101 + 7, 500, 9_000])).toEqual({ metrics: 3, traces: 1, logs: 0 })
    expect(await ages('metric_1m')).toEqual([0, 1, 99, 300])
    expect(await ages('service_call_5m')).toEqual([0, 1, 99, 108, 300, 500])
    const { rows } = await sql`select from ${scope.id('dim_resource')} where urn like '%aged-9000'`.execute(test.db)
    expect(rows).toEqual([])

    expect(await load([200], true)).toEqual({ metrics: 0, traces: 0, logs: 0 })
    expect(await ages('metric_1m')).toEqual([0, 1, 99, 200, 300])
  })

  it('counts a sum that leaves the doubles as of no use', async () => {
    const point = (seconds: number, asDouble: number) => ({
      startTimeUnixNano: String(BigInt(now) * 1_000_000n + BigInt(seconds * 1e9) - 1_000_000n),
      timeUnixNano: String(BigInt(now) * 1_000_000n + BigInt(seconds * 1e9)),
      asDouble,
    })
    const metrics = [
      { name: 'rate', sum: { aggregationTemporality: 1, isMonotonic: true, dataPoints: [point(0, 1.7e308)] } },
      { name: 'total', sum: { aggregationTemporality: 1, isMonotonic: false, dataPoints: [point(0, 1.7e308), point(1, 1.7e308)] } },
      { name: 'twice', gauge: { dataPoints: [point(0, 1.7e308), point(1, 1.7e308)] } },
    ]
    const resource = { attributes: [{ key: 'service.name', value: { stringValue: 'extreme' } }] }
    const text = `${JSON.stringify({ resourceMetrics: [{ resource, scopeMetrics: [{ metrics }] }] })}\n`
    const report = await ingest(
      scope,
      (async function* () {
        yield text
      })(),
    )
    expect(report).toMatchObject({ metricPoints: 5, unusablePoints: 1 })
    const { rows } = await sql`
      select distinct metric, max_val as max from ${scope.id('metric_1m')} where metric in ('rate', 'total', 'twice') order by metric
    `.execute(test.db)
    expect(rows).toEqual([
      { metric: 'rate', max: 1.7e308 },
      { metric: 'total', max: 1.7e308 },
      { metric: 'twice', max: 1.7e308 },
    ])
  })
})
