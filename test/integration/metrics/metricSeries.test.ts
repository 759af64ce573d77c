import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { resourceIds } from '../../../src/catalog/resources.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { latestMetrics } from '../../../src/metrics/latestMetrics.ts'
import { metricSeries } from '../../../src/metrics/metricSeries.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertMetrics } from '../../support/rows.ts'

const api = 'urn:k8s:svc:shop/api'
const web = 'urn:k8s:svc:shop/web'
const hostile = `urn:x:o'brien "q" $$ \\ 🦊 --; drop table dim_resource`
const metric = 'http.server.request.duration'
const range = during('10:00', '10:02')
/** The histogram's bound, 1.083 %. */
const near = (value: number) => expect.toSatisfy((given: number) => Math.abs(given - value) <= 0.01084 * Math.abs(value))

onEveryLeg('metricSeries', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db, 't-001')
    await insertMetrics(scope, [
      { bucket: at('09:59'), resource: api, metric, samples: [999] },
      { bucket: at('10:00'), resource: api, metric, labels: { method: 'GET', code: 200 }, samples: [1, 2, 3] },
      { bucket: at('10:00'), resource: api, metric, labels: { method: 'POST' }, samples: [100] },
      { bucket: at('10:01'), resource: api, metric, labels: { method: 'GET', code: 200 }, samples: [4, 4, 10] },
      { bucket: at('10:01'), resource: api, metric, labels: { method: 'PUT' }, sample_count: 5 },
      { bucket: at('10:00'), resource: web, metric, samples: [7, 9] },
      { bucket: at('10:00'), resource: api, metric: 'process.cpu.utilization', samples: [0.5] },
      { bucket: at('10:02'), resource: api, metric, samples: [888] },
      { bucket: at('10:00'), resource: hostile, metric: `o'brien "$1" \\`, labels: { '"; --': "'$$" }, samples: [1] },
    ])
    const other = await tenant(test.db, 'another')
    await insertMetrics(other, [
      { bucket: at('10:00'), resource: api, metric, labels: { method: 'GET', code: 200 }, samples: [5_000, 6_000] },
    ])
  })
  afterAll(() => test.close())

  it('finds the resource of each row by its id in tables without statistics, where a comparison with all of them took 40 times as long', async () => {
    const many = await tenant(test.db, 'many')
    await sql`
      with resource as (
        insert into ${many.id('dim_resource')} (tenant_id, urn, type, name)
        select ${many.tenantId}::int8, 'urn:many/' || number, 'service', number::text from generate_series(1, 400) as number
        returning resource_id
      )
      insert into ${many.id('metric_1m')} (bucket, tenant_id, resource_id, metric, avg_val, max_val, sample_count)
      select ${range.from}::timestamptz + minute * '1 minute'::interval, ${many.tenantId}::int8, resource_id, 'many', 1, 1, 1
      from resource cross join generate_series(0, 9) as minute
    `.execute(test.db)
    const read = metricSeries(many, { metric: 'many', measure: 'avg', range: during('10:00', '10:10') }).compile()
    const { rows } = await test.db.executeQuery<{ 'QUERY PLAN': unknown }>({
      ...read,
      sql: `explain (analyze, format json) ${read.sql}`,
    })
    const removed = [...JSON.stringify(rows).matchAll(/"Rows Removed by Join Filter":\s*(\d+)/g)].map(([, count]) => Number(count))
    expect(Math.max(0, ...removed)).toBeLessThan(4_000)
  })

  const get = `${api} {"code": 200, "method": "GET"}`

  it('has a series for each label set of each resource, as stored', async () => {
    const ids = await resourceIds(scope, [api, web])
    const rows = await metricSeries(scope, { metric, measure: 'max', range }).execute()
    const ofApi = (labels: object) => ({ resource_id: ids.get(api), labels })
    expect(rows).toEqual([
      { series: get, bucket: at('10:00'), value: 3, ...ofApi({ method: 'GET', code: 200 }) },
      { series: get, bucket: at('10:01'), value: 10, ...ofApi({ method: 'GET', code: 200 }) },
      { series: `${api} {"method": "POST"}`, bucket: at('10:00'), value: 100, ...ofApi({ method: 'POST' }) },
      { series: `${api} {"method": "PUT"}`, bucket: at('10:01'), value: null, ...ofApi({ method: 'PUT' }) },
      { series: web, bucket: at('10:00'), value: 9, resource_id: ids.get(web), labels: {} },
    ])
  })

  it.each([
    ['avg', [2, 6]],
    ['max', [3, 10]],
    ['p95', [3, 10]],
    ['count', [3, 3]],
  ] as const)('measures %s', async (measure, expected) => {
    const rows = await metricSeries(scope, { metric, resource: api, labels: { method: 'GET' }, measure, range }).execute()
    expect(rows.map(({ value }) => value)).toEqual(expected)
  })

  it.each([
    ['avg', [(1 + 2 + 3 + 100) / 4, 6]],
    ['max', [100, 10]],
    ['p95', [near(100), near(10)]],
    ['count', [4, 8]],
  ] as const)('puts the label sets of a resource together: %s', async (measure, expected) => {
    const rows = await metricSeries(scope, { metric, resource: api, measure, range, by: 'resource' }).execute()
    const resource_id = (await resourceIds(scope, [api])).get(api)
    expect(rows).toEqual(expected.map((value, minute) => ({ series: api, bucket: at(`10:0${minute}`), value, resource_id })))
  })

  it('takes only label sets that contain what is asked for', async () => {
    const count = async (labels: Record<string, string | number>) =>
      (await metricSeries(scope, { metric, labels, measure: 'count', range }).execute()).length
    expect(await count({ code: 200 })).toBe(2)
    expect(await count({ code: '200' })).toBe(0)
    expect(await count({ code: 200, method: 'POST' })).toBe(0)
    expect(await count({})).toBe(5)
  })

  it('answers nothing for an empty range, a metric nobody knows', async () => {
    for (const nothing of [{ range: during('10:00', '10:00') }, { metric: 'unknown' }]) {
      expect(await metricSeries(scope, { metric, measure: 'avg', range, ...nothing }).execute()).toEqual([])
    }
  })

  it('takes hostile names as data', async () => {
    const rows = await metricSeries(scope, {
      metric: `o'brien "$1" \\`,
      resource: hostile,
      labels: { '"; --': "'$$" },
      measure: 'avg',
      range,
    }).execute()
    expect(rows).toMatchObject([{ series: `${hostile} {"\\"; --": "'$$"}`, bucket: at('10:00'), value: 1, labels: { '"; --': "'$$" } }])
  })

  it('tells several metrics apart by name, and takes several resources', async () => {
    const rows = await metricSeries(scope, {
      metric: [metric, 'process.cpu.utilization'],
      resource: [api, web],
      measure: 'max',
      range,
      by: 'resource',
      resolution: '2 minutes',
    }).execute()
    expect(rows.map(({ series, bucket, value }) => [series, bucket, value])).toEqual([
      [`${metric} ${api}`, at('10:00'), 100],
      [`${metric} ${web}`, at('10:00'), 9],
      [`process.cpu.utilization ${api}`, at('10:00'), 0.5],
    ])
  })

  it('puts all resources together, or those asked for', async () => {
    const together = (resource?: string[]) =>
      metricSeries(scope, { metric, measure: 'avg', range, by: 'metric', ...(resource && { resource }) }).execute()
    expect(await together()).toEqual([
      { series: metric, bucket: at('10:00'), value: (1 + 2 + 3 + 100 + 7 + 9) / 6 },
      { series: metric, bucket: at('10:01'), value: 6 },
    ])
    expect(await together([web])).toEqual([{ series: metric, bucket: at('10:00'), value: 8 }])
  })

  describe('latestMetrics', () => {
    const day = during('00:00', '23:00')

    it('has the newest minute of each resource, with the label sets that it has then', async () => {
      const rows = await latestMetrics(scope, { metric, measure: 'count', range: day }).execute()
      expect(rows.map(({ series, bucket, value, labels }) => [series, bucket, value, labels])).toEqual([
        [api, at('10:02'), 1, {}],
        [web, at('10:00'), 2, {}],
      ])
      const before = await latestMetrics(scope, { metric, measure: 'max', range, resource: api }).execute()
      expect(before.map(({ series, bucket, value }) => [series, bucket, value])).toEqual([
        [get, at('10:01'), 10],
        [`${api} {"method": "PUT"}`, at('10:01'), null],
      ])
    })

    it('puts the label sets of that minute together', async () => {
      const rows = await latestMetrics(scope, { metric: [metric], measure: 'count', range, by: 'resource' }).execute()
      const ids = await resourceIds(scope, [api, web])
      expect(rows).toEqual([
        { series: `${metric} ${api}`, bucket: at('10:01'), value: 8, resource_id: ids.get(api) },
        { series: `${metric} ${web}`, bucket: at('10:00'), value: 2, resource_id: ids.get(web) },
      ])
    })

    it('takes only label sets that contain what is asked for, and none where nothing is', async () => {
      const posts = await latestMetrics(scope, { metric, labels: { method: 'POST' }, measure: 'max', range: day }).execute()
      expect(posts.map(({ bucket, value }) => [bucket, value])).toEqual([[at('10:00'), 100]])
      expect(await latestMetrics(scope, { metric, measure: 'max', range: during('11:00', '12:00') }).execute()).toEqual([])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        latestMetrics(scope, { metric, measure: 'max', range: day }),
        (eb) => eb('value', '>', 10),
        ({ value }) => value !== null && value > 10,
      ))
  })

  it('is narrowed in SQL as in TypeScript', () =>
    expectNarrows(
      metricSeries(scope, { metric, measure: 'avg', range, by: 'resource' }),
      (eb) => eb('value', '<', 8),
      (row) => row.value !== null && row.value < 8,
    ))
})
