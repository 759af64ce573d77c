import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import * as api from '../../../src/index.ts'
import type { Scope } from '../../../src/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import type { Read } from '../../support/narrowed.ts'
import { at, during, insertCalls, insertMetrics, insertPatternCounts, insertPatterns, services } from '../../support/rows.ts'
import { insertSketches } from '../../support/sketches.ts'

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
  burstingPatterns: (scope, resource) => api.burstingPatterns(scope, { resource, range, baseline }),
  noisiestPatterns: (scope, resource) => api.noisiestPatterns(scope, { resource, range, baseline }),
  vanishedPatterns: (scope, resource) => api.vanishedPatterns(scope, { resource, range, baseline }),
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
  retention: (scope, resource) =>
    api.retention(scope, { dimension: 'user', resource, by: 'day', range: { from: at('00:00'), to: at('24:00') } }),
}

/** A parameter as text for `execute`, which takes none itself. */
const literal = (value: unknown) => {
  if (value instanceof Date) return sql.lit(value.toISOString())
  return sql.lit(
    Array.isArray(value) ? `{${value.map((each) => JSON.stringify(each instanceof Date ? each.toISOString() : each)).join()}}` : value,
  )
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

  // A plan for any parameters asks when it is executed: a part of it that does not run must not be the only one that asks.
  describe('in a plan that is kept', () => {
    beforeAll(async () => {
      // Rows of each kind: of a hypertable without any, the server keeps a plan that asks nothing.
      const [fingerprint] = await insertPatterns(scope, [
        { pattern: 'failed', severity: 'ERROR', first_seen: at('10:05'), last_seen: at('10:05') },
      ])
      await insertPatternCounts(scope, [{ bucket: at('10:05'), resource: known, fingerprint_id: fingerprint!, count_total: 1 }])
      await insertSketches(scope, [{ bucket: at('10:05'), resource: known, dimension: 'user', items: ['u'] }])
    })
    it.each(Object.entries(reads))('is no silence of %s', async (_, read) => {
      const prepared = read(scope, known).compile()
      const run = (of: Read) => sql`execute kept(${sql.join(of.compile().parameters.map(literal))})`
      await scope.db.connection().execute(async (connection) => {
        await sql`set plan_cache_mode = force_generic_plan`.execute(connection)
        await sql`prepare kept as ${sql.raw(prepared.sql)}`.execute(connection)
        try {
          await run(read(scope, known)).execute(connection)
          expect(api.isUnknownResource(await failure(run(read(scope, 'urn:typo')).execute(connection)))).toBe(true)
        } finally {
          await sql`deallocate kept`.execute(connection)
          await sql`reset plan_cache_mode`.execute(connection)
        }
      })
    })
  })

  it('is said to be the first of a tenant that has none', async () => {
    const empty = await tenant(test.db, 'empty')
    expect(await failure(api.callSummary(empty, { from: "urn:o'%s", range }).execute())).toHaveProperty(
      'message',
      `tenant "empty" has no resource with URN "urn:o'%s": it has none yet`,
    )
  })

  it('is said in one line, whatever the URNs of others are', async () => {
    const odd = await tenant(test.db, 'odd')
    await services(odd, ['urn:a\n%s"\u001b[31m'])
    expect(await failure(api.callSummary(odd, { from: 'urn:a', range }).execute())).toHaveProperty(
      'message',
      String.raw`tenant "odd" has no resource with URN "urn:a": the most similar it has are urn:a\n%s\"\u001b[31m`,
    )
  })

  it('is said to a role that may not use the extension that compares', async () => {
    const rolledBack = new Error('rolled back')
    const attempt = test.db.transaction().execute(async (trx) => {
      await sql`create schema apart`.execute(trx)
      await sql`alter extension pg_trgm set schema apart`.execute(trx)
      await sql`create role by_hand`.execute(trx)
      await sql`grant select on dim_tenant, dim_resource to by_hand`.execute(trx)
      await sql`grant execute on function require_resources to by_hand`.execute(trx)
      await sql`set local role by_hand`.execute(trx)
      const asked = sql`select require_resources(${scope.tenantId}::int8, array['urn:typo'])`.execute(trx)
      expect(await failure(asked)).toHaveProperty(
        'message',
        'tenant "t-001" has no resource with URN "urn:typo": see what it has in dim_resource',
      )
      throw rolledBack
    })
    await expect(attempt).rejects.toBe(rolledBack)
  })
})
