import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import * as api from '../../../src/index.ts'
import type { Scope } from '../../../src/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import type { Read } from '../../support/narrowed.ts'
import { at, during, insertCalls, insertMetrics, services } from '../../support/rows.ts'

const range = during('10:00', '11:00')
const baseline = during('09:00', '10:00')
const known = 'urn:k8s:svc:shop/checkout'

/** Every read that takes URNs, of one. */
const reads: Record<string, (scope: Scope, urn: string) => Read> = {
  metricSeries: (scope, resource) => api.metricSeries(scope, { metric: 'm', resource, measure: 'avg', range }),
  'metricSeries of several': (scope, urn) =>
    api.metricSeries(scope, { metric: 'm', resource: [known, urn], measure: 'avg', by: 'metric', range }),
  latestMetrics: (scope, resource) => api.latestMetrics(scope, { metric: 'm', resource, measure: 'avg', range }),
  labelCardinality: (scope, resource) => api.labelCardinality(scope, { resource, range }),
  'callSeries of a caller': (scope, from) => api.callSeries(scope, { from, measure: 'rps', range }),
  'callSeries of a callee': (scope, to) => api.callSeries(scope, { from: known, to, measure: 'rps', range }),
  callSummary: (scope, from) => api.callSummary(scope, { from, range }),
  compareCalls: (scope, to) => api.compareCalls(scope, { to, baseline, candidate: range }),
  slowestDependencies: (scope, service) => api.slowestDependencies(scope, { service, range }),
  patternSeries: (scope, resource) => api.patternSeries(scope, { resource, measure: 'count_total', range }),
  patternDiversity: (scope, resource) => api.patternDiversity(scope, { resource, range }),
  newPatterns: (scope, resource) => api.newPatterns(scope, { resource, range }),
  edgeHistory: (scope, to) => api.edgeHistory(scope, { from: known, to }),
  reach: (scope, from) => api.reach(scope, api.callsDuring(scope, { range }), { from: [known, from] }),
  neighbourhood: (scope, resource) => api.neighbourhood(scope, api.callsDuring(scope, { range }), { resource }),
  impact: (scope, resource) => api.impact(scope, api.callsDuring(scope, { range }), { resource }),
  'shortestPath from': (scope, from) => api.shortestPath(scope, api.callsDuring(scope, { range }), { from, to: known }),
  'shortestPath to': (scope, to) => api.shortestPath(scope, api.callsDuring(scope, { range }), { from: known, to }),
  'shortestPath by length': (scope, to) =>
    api.shortestPath(scope, api.callsDuring(scope, { range }), { from: known, to, length: 'p95_ms' }),
  kShortestPaths: (scope, to) => api.kShortestPaths(scope, api.callsDuring(scope, { range }), { from: known, to, limit: 2 }),
  pathsBetween: (scope, to) => api.pathsBetween(scope, api.callsDuring(scope, { range }), { from: known, to }),
  rankSuspects: (scope, service) => api.rankSuspects(scope, { service, range, baseline }),
  affected: (scope, resource) => api.affected(scope, { resource, range, baseline }),
  distinctOver: (scope, resource) => api.distinctOver(scope, { dimension: 'user', resource, range }),
  distinctSeries: (scope, resource) => api.distinctSeries(scope, { dimension: 'user', resource, range }),
  activeUsers: (scope, resource) => api.activeUsers(scope, { resource, range }),
  heavyHitters: (scope, resource) => api.heavyHitters(scope, { dimension: 'user', resource, range }),
  heavyHitterChanges: (scope, resource) => api.heavyHitterChanges(scope, { dimension: 'user', resource, range, baseline }),
  cardinalityGrowth: (scope, resource) => api.cardinalityGrowth(scope, { resource, range, baseline }),
  overlap: (scope, resource) => api.overlap(scope, { dimension: 'user', a: { resource: known, range }, b: { resource, range } }),
  retention: (scope, resource) => api.retention(scope, { dimension: 'user', resource, range: { from: at('00:00'), to: at('24:00') } }),
}

onEveryLeg('a URN that the tenant does not have', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    await services(await tenant(test.db, 'another'), ['urn:k8s:svc:shop/chekout'])
    scope = await tenant(test.db)
    await services(scope, [known, 'urn:k8s:svc:shop/payment', 'urn:host:h'])
  })
  afterAll(() => test.close())

  const failure = (query: Promise<unknown>): Promise<unknown> =>
    query.then(
      (rows) => expect.fail(`answered ${JSON.stringify(rows)}`),
      (error: unknown) => error,
    )

  // Nothing is measured yet: plans over partitions that are not there must fail all the same.
  it.each(Object.entries(reads))('is no silence of %s, though one of another tenant', async (_, read) => {
    expect(await read(scope, known).execute()).toBeInstanceOf(Array)
    const error = await failure(read(scope, 'urn:k8s:svc:shop/chekout').execute())
    const similar = 'urn:k8s:svc:shop/checkout, urn:k8s:svc:shop/payment, urn:host:h'
    expect(error).toHaveProperty(
      'message',
      `tenant "t-001" has no resource with URN "urn:k8s:svc:shop/chekout": the most similar it has are ${similar}`,
    )
    expect(api.isUnknownResource(error)).toBe(true)
  })

  it('fails a whole pipeline, narrowed, where there are rows', async () => {
    await insertMetrics(scope, [{ bucket: at('10:05'), resource: known, metric: 'm', labels: {}, samples: [1] }])
    await insertCalls(scope, [{ bucket: at('10:05'), src: known, dst: 'urn:k8s:svc:shop/payment', latencies: [1] }])
    const latency = (to: string) => api.callSeries(scope, { to, measure: 'p95_ms', range })
    const odd = (to: string) => api.anomalies(scope, latency(to), { method: 'robust-z', window: '1 hour', threshold: 4 })
    expect(await latency('urn:k8s:svc:shop/payment').execute()).toHaveLength(1)
    const narrowed = scope.db
      .selectFrom(odd('urn:typo').as('odd'))
      .innerJoin(latency(known).as('other'), (join) => join.onRef('other.bucket', '=', 'odd.bucket'))
      .selectAll('odd')
    expect(api.isUnknownResource(await failure(narrowed.where('odd.value', '>', 5).execute()))).toBe(true)
  })

  it('is asked for in every execution of a plan that is kept', async () => {
    const query = api.callSummary(scope, { from: known, range }).compile()
    const run = (from: string) =>
      sql`execute kept(${sql.join(query.parameters.map((value) => sql.lit(value === known ? from : Array.isArray(value) ? `{"${from}"}` : value instanceof Date ? value.toISOString() : value)))})`
    await scope.db.connection().execute(async (connection) => {
      await sql`set plan_cache_mode = force_generic_plan`.execute(connection)
      await sql`prepare kept as ${sql.raw(query.sql)}`.execute(connection)
      try {
        expect((await run(known).execute(connection)).rows).toHaveLength(1)
        expect(api.isUnknownResource(await failure(run('urn:typo').execute(connection)))).toBe(true)
      } finally {
        await sql`deallocate kept`.execute(connection)
        await sql`reset plan_cache_mode`.execute(connection)
      }
    })
  })

  it('is said to be the first of a tenant that has none', async () => {
    const empty = await tenant(test.db, 'empty')
    expect(await failure(api.callSummary(empty, { from: "urn:o'%s", range }).execute())).toHaveProperty(
      'message',
      `tenant "empty" has no resource with URN "urn:o'%s": it has none yet`,
    )
  })
})
