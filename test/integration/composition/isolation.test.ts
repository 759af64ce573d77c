import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import {
  activeCalls,
  callFan,
  callsDuring,
  callSeries,
  callSummary,
  refreshCallGraph,
  slowestDependencies,
} from '../../../src/calls/index.ts'
import { resourceIds } from '../../../src/catalog/index.ts'
import type { Scope } from '../../../src/database/index.ts'
import { attachEvidence, evidenceChain, recordEvent } from '../../../src/events/index.ts'
import { impact, reach } from '../../../src/graph/index.ts'
import {
  affected,
  callOddities,
  callShapeOddities,
  metricOddities,
  patternOddities,
  rankSuspects,
  relatedKnowledge,
} from '../../../src/incident/index.ts'
import { addDocuments, searchKnowledge } from '../../../src/knowledge/index.ts'
import {
  activeUsers,
  cardinalityGrowth,
  distinctOver,
  distinctSeries,
  heavyHitterChanges,
  heavyHitters,
  overlap,
  retention,
} from '../../../src/cardinality/index.ts'
import {
  burstingPatterns,
  newPatterns,
  noisiestPatterns,
  patternDetails,
  patternDiversity,
  patternSeries,
  searchPatterns,
  similarPatterns,
  vanishedPatterns,
} from '../../../src/logs/index.ts'
import { labelCardinality, latestMetrics, metricSeries } from '../../../src/metrics/index.ts'
import { topK } from '../../../src/ranking/index.ts'
import { aggregateAcross, anomalies } from '../../../src/series/index.ts'
import { distinctCount } from '../../../src/sketch/index.ts'
import { topologyAt } from '../../../src/topology/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertCalls, insertMetrics, insertPatternCounts, insertPatterns, services } from '../../support/rows.ts'
import { seriesReads, type SeriesRead } from '../../support/seriesReads.ts'
import { insertSketches } from '../../support/sketches.ts'

const range = during('10:00', '11:00')
const baseline = during('09:00', '10:00')
const embedding = (seed: number) => Array.from({ length: 1536 }, (_, index) => Math.sin(seed * (index + 1)))
const event = { a: '0193d3a0-0000-7000-8000-00000000000a', b: '0193d3a0-0000-7000-8000-00000000000b' }
const urns = ['urn:web', 'urn:cart', 'urn:pay', 'urn:db']

/** Two hours of a chain of services whose last call becomes `factor` times as slow at 10:30, with everything else that can be read beside it. */
async function fill(scope: Scope, factor: number, id: string): Promise<void> {
  const buckets = Array.from({ length: 24 }, (_, index) => new Date(at('09:00').getTime() + index * 300_000))
  const slow = (bucket: Date) => (bucket >= at('10:30') ? factor : 1)
  await insertCalls(
    scope,
    buckets.flatMap((bucket) =>
      urns.slice(1).map((dst, index) => ({
        bucket,
        src: urns[index]!,
        dst,
        latencies: Array.from({ length: 20 }, (_, sample) => (100 - index + sample) * slow(bucket)),
      })),
    ),
  )
  // Calls that are no longer made.
  await insertCalls(
    scope,
    buckets.slice(0, 12).map((bucket) => ({ bucket, src: 'urn:cart', dst: 'urn:db', latencies: Array.from({ length: 10 }, () => 100) })),
  )
  await insertMetrics(
    scope,
    buckets.flatMap((bucket, index) =>
      urns.map((resource) => ({ bucket, resource, metric: 'cpu', samples: [factor, index * slow(bucket)] })),
    ),
  )
  await insertMetrics(
    scope,
    urns.map((resource, index) => ({ bucket: at('10:30'), resource, metric: 'requests', labels: { factor, index }, samples: [factor] })),
  )
  const fingerprints = await insertPatterns(
    scope,
    ['timeout', 'refused'].map((pattern) => ({
      pattern,
      sample_message: `${pattern} ${factor}`,
      severity: 'ERROR',
      first_seen: at('10:30'),
      last_seen: at('10:40'),
    })),
  )
  await insertPatternCounts(
    scope,
    fingerprints.flatMap((fingerprint_id, index) =>
      urns.map((resource) => ({ bucket: at('10:30'), resource, fingerprint_id, count_total: factor + index })),
    ),
  )
  await insertPatternCounts(
    scope,
    urns.slice(0, 1).map((resource) => ({ bucket: at('09:15'), resource, fingerprint_id: fingerprints[0]!, count_total: 10 * factor })),
  )
  await insertSketches(
    scope,
    [baseline.from, range.from].flatMap((bucket) =>
      urns.map((resource) => ({ bucket, resource, dimension: 'user', items: [`${factor}`, resource], failed: [`${factor} failed`] })),
    ),
  )
  const ids = await services(scope, urns)
  await sql`
    insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid, props)
    select ${scope.tenantId}::int8, (row->>0)::int8, (row->>1)::int8, row->>2, tstzrange(${at('09:00')}, null), '{}'
    from jsonb_array_elements(${JSON.stringify(urns.slice(1).map((urn, index) => [ids.get(urns[index]!), ids.get(urn), index ? 'calls' : 'runs_on']))}::jsonb) as row
  `.execute(scope.db)
  await recordEvent(scope, { eventId: id, severity: 'ERROR', kind: 'anomaly', title: `factor ${factor}`, resource: 'urn:web' })
  await attachEvidence(scope, {
    eventId: id,
    evidence: [1, 2].map((doc) => ({ dim: 'kb', refPg: { table: 'kb_doc', keys: { doc_id: `${doc}` } }, note: `${factor}` })),
  })
  await addDocuments(
    scope,
    ['one', 'two'].map((title, index) => ({
      source: 'wiki',
      title,
      chunks: [{ content: `factor ${factor}`, embedding: embedding(index + 1) }],
    })),
  )
  if (leg.age) await refreshCallGraph(scope, { now: at('10:58'), window: '20 minutes' })
}

/** Every read there is, over that data. */
function reads(scope: Scope, id: string) {
  const edges = callsDuring(scope, { range })
  const latency = callSeries(scope, { measure: 'p95_ms', range: { from: baseline.from, to: range.to } })
  // The ids of a tenant's patterns follow those of the one that was filled before it.
  const pattern = id === event.a ? '1' : '3'
  return {
    callSeries: latency,
    callFan: callFan(scope, { by: 'caller', range }),
    callSummary: callSummary(scope, { range }),
    callsDuring: edges,
    slowestDependencies: slowestDependencies(scope, { service: 'urn:web', range }),
    metricSeries: metricSeries(scope, { metric: 'cpu', measure: 'avg', range }),
    'metricSeries by resource': metricSeries(scope, { metric: 'cpu', measure: 'p95', range, by: 'resource' }),
    'metricSeries of all': metricSeries(scope, { metric: 'cpu', measure: 'max', range, by: 'metric', resource: urns }),
    'metricSeries by the hour': metricSeries(scope, { metric: ['cpu'], measure: 'p95', range, resolution: '1 hour' }),
    labelCardinality: labelCardinality(scope, { range }),
    latestMetrics: latestMetrics(scope, { metric: 'cpu', measure: 'avg', range }),
    'callSeries by the day': callSeries(scope, { measure: 'p95_ms', range: { from: at('00:00'), to: range.to }, resolution: '1 day' }),
    'patternSeries by the half hour': patternSeries(scope, { measure: 'count_total', range, by: 'resource', resolution: '30 minutes' }),
    patternDiversity: patternDiversity(scope, { range }),
    burstingPatterns: burstingPatterns(scope, { range, baseline, factor: 1, threshold: 0 }),
    vanishedPatterns: vanishedPatterns(scope, { range, baseline, factor: 1, threshold: 0 }),
    noisiestPatterns: noisiestPatterns(scope, { range, baseline }),
    patternDetails: patternDetails(scope, { fingerprintId: pattern, range }),
    searchPatterns: searchPatterns(scope, { text: 'timeout' }),
    similarPatterns: similarPatterns(scope, { fingerprintId: pattern, threshold: 0 }),
    newPatterns: newPatterns(scope, { range }),
    'newPatterns after silence': newPatterns(scope, { range, silence: '30 minutes' }),
    patternSeries: patternSeries(scope, { measure: 'count_total', range }),
    activeUsers: activeUsers(scope, { range: { from: new Date('2026-11-22'), to: new Date('2026-11-23') } }),
    affected: affected(scope, { range, baseline }),
    cardinalityGrowth: cardinalityGrowth(scope, { range, baseline }),
    distinctOver: distinctOver(scope, { dimension: 'user', range, by: 'resource' }),
    distinctSeries: distinctSeries(scope, { dimension: 'user', range, by: 'resource' }),
    heavyHitterChanges: heavyHitterChanges(scope, { dimension: 'user', range, baseline }),
    heavyHitters: heavyHitters(scope, { dimension: 'user', range }),
    overlap: overlap(scope, { dimension: 'user', a: { range, resource: 'urn:db' }, b: { range: baseline } }),
    retention: retention(scope, { range: { from: new Date('2026-11-22'), to: new Date('2026-11-24') }, by: 'day' }),
    topologyAt: topologyAt(scope, { at: at('10:00') }),
    'reach over calls': reach(scope, edges, { from: 'urn:web' }),
    'reach over topology': reach(scope, topologyAt(scope, { at: at('10:00') }), { from: 'urn:web' }),
    impact: impact(scope, edges, { resource: 'urn:db' }),
    evidenceChain: evidenceChain(scope, { eventId: id }),
    searchKnowledge: searchKnowledge(scope, { text: 'factor', embedding: embedding(1) }),
    relatedKnowledge: relatedKnowledge(scope, { title: 'factor', embedding: embedding(1), resources: ['urn:db'] }),
    ...seriesReads(scope, latency, { before: baseline, after: range }),
    'aggregateAcross the catalog': aggregateAcross(scope, latency, { with: 'max', by: { resource: 'type' } }),
    callOddities: callOddities(scope, { range, baseline }),
    patternOddities: patternOddities(scope, { range, baseline }),
    callShapeOddities: callShapeOddities(scope, { range, baseline }),
    metricOddities: metricOddities(scope, { range, baseline, meanings: [{ metric: 'cpu', means: 'cpu' }] }),
    rankSuspects: rankSuspects(scope, { service: 'urn:web', range, baseline }),
    topK: topK(scope, anomalies(scope, latency), 5),
    distinctCount: distinctCount(scope, latency, 'series'),
    ...(leg.age && { activeCalls: activeCalls(scope), 'reach over the graph': reach(scope, activeCalls(scope), { from: 'urn:web' }) }),
  }
}
type Reads = ReturnType<typeof reads>

async function answers(scope: Scope, id: string): Promise<Record<string, unknown[]>> {
  const found: Record<string, unknown[]> = {}
  for (const [name, read] of Object.entries(reads(scope, id))) found[name] = await read.execute()
  return found
}

onEveryLeg('every read', () => {
  let test: TestDatabase
  let a: Scope
  let b: Scope
  let alone: Record<string, unknown[]>
  beforeAll(async () => {
    test = await cleanDatabase()
    a = await tenant(test.db, 'a')
    b = await tenant(test.db, 'b')
    await fill(a, 10, event.a)
    alone = await answers(a, event.a)
  })
  afterAll(() => test.close())

  it('finds something for the tenant that has it', () => {
    for (const [name, rows] of Object.entries(alone)) expect([name, rows]).not.toEqual([name, []])
  })

  it('finds nothing for a tenant that has nothing but the same URNs', async () => {
    await services(b, urns)
    const { distinctCount: counted, overlap: shared, ...rest } = await answers(b, event.a)
    for (const [name, rows] of Object.entries(rest)) expect([name, rows]).toEqual([name, []])
    expect(counted).toEqual([{ distinct_count: 0 }])
    expect(shared).toMatchObject([{ a_count: 0, b_count: 0, union_count: 0, intersection_count: 0 }])
  })

  it('gives each tenant its own where both have the same URNs, metrics and patterns', async () => {
    await fill(b, 20, event.b)
    expect(await answers(a, event.a)).toEqual(alone)
    const theirs = await answers(b, event.b)
    const own = new Set((await resourceIds(b, urns)).values())
    for (const [name, rows] of Object.entries(theirs)) {
      expect([name, rows.length]).toEqual([name, alone[name]!.length])
      for (const row of rows) {
        for (const [column, value] of Object.entries(row as object)) {
          if (value !== null && /^(?:src|dst|(?:\w+_)?resource_id)$/.test(column))
            expect([name, column, own.has(String(value))]).toEqual([name, column, true])
        }
      }
    }
    expect(theirs.evidenceChain).toMatchObject([{ title: 'factor 20' }, { title: 'factor 20' }])
    for (const found of [theirs.searchKnowledge!, theirs.relatedKnowledge!])
      expect(found.every((row) => Reflect.get(row as object, 'content') === 'factor 20')).toBe(true)
    expect(theirs.newPatterns).toMatchObject([{ count_total: 84 }, { count_total: 60 }])
    expect(await evidenceChain(b, { eventId: event.a }).execute()).toEqual([])
    await expect(attachEvidence(b, { eventId: event.a, evidence: [] })).rejects.toThrow('has no event')
    await expect(recordEvent(b, { eventId: event.a, severity: 'INFO', kind: 'k', title: 'taken over' })).rejects.toThrow('is taken')
  })

  it('narrowed in SQL gives what filtering in TypeScript gives', async () => {
    const of: Reads = reads(a, event.a)
    const half = at('10:30')
    await expectNarrows(
      of.callSeries,
      (eb) => eb('bucket', '>=', half),
      ({ bucket }) => bucket >= half,
    )
    await expectNarrows(
      of.callFan,
      (eb) => eb('urn', '=', 'urn:web'),
      ({ urn }) => urn === 'urn:web',
    )
    await expectNarrows(
      of.labelCardinality,
      (eb) => eb('value_count', '>', 1),
      ({ value_count }) => value_count > 1,
    )
    await expectNarrows(
      of.patternDiversity,
      (eb) => eb('urn', '=', 'urn:db'),
      ({ urn }) => urn === 'urn:db',
    )
    await expectNarrows(
      of.callSummary,
      (eb) => eb('dst_urn', '=', 'urn:db'),
      ({ dst_urn }) => dst_urn === 'urn:db',
    )
    await expectNarrows(
      of.callsDuring,
      (eb) => eb('p95_ms', '>', 1175),
      ({ p95_ms }) => p95_ms! > 1175,
    )
    await expectNarrows(
      of.metricSeries,
      (eb) => eb('value', '>', 60),
      ({ value }) => value! > 60,
    )
    await expectNarrows(
      of['metricSeries by resource'],
      (eb) => eb('series', '=', 'urn:db'),
      ({ series }) => series === 'urn:db',
    )
    await expectNarrows(
      of.newPatterns,
      (eb) => eb('pattern', '=', 'timeout'),
      ({ pattern }) => pattern === 'timeout',
    )
    await expectNarrows(
      of['newPatterns after silence'],
      (eb) => eb('count_total', '>', 40),
      ({ count_total }) => count_total > 40,
    )
    await expectNarrows(
      of.patternSeries,
      (eb) => eb('series', '=', 'refused'),
      ({ series }) => series === 'refused',
    )
    await expectNarrows(
      of.affected,
      (eb) => eb('item', '=', 'all'),
      ({ item }) => item === 'all',
    )
    await expectNarrows(
      of.distinctOver,
      (eb) => eb('urn', '=', 'urn:db'),
      ({ urn }) => urn === 'urn:db',
    )
    await expectNarrows(
      of.distinctSeries,
      (eb) => eb('series', '=', 'urn:db'),
      ({ series }) => series === 'urn:db',
    )
    await expectNarrows(
      of.heavyHitters,
      (eb) => eb('item', '=', 'urn:db'),
      ({ item }) => item === 'urn:db',
    )
    await expectNarrows(
      of.heavyHitterChanges,
      (eb) => eb('item', '=', 'urn:db'),
      ({ item }) => item === 'urn:db',
    )
    await expectNarrows(
      of.retention,
      (eb) => eb('period', '=', 0),
      ({ period }) => period === 0,
    )
    await expectNarrows(
      of.cardinalityGrowth,
      (eb) => eb('urn', '=', 'urn:db'),
      ({ urn }) => urn === 'urn:db',
    )
    await expectNarrows(
      of.topologyAt,
      (eb) => eb('relation', '=', 'runs_on'),
      ({ relation }) => relation === 'runs_on',
    )
    await expectNarrows(
      of['reach over calls'],
      (eb) => eb('depth', '>', 1),
      ({ depth }) => depth > 1,
    )
    await expectNarrows(
      of.impact,
      (eb) => eb('depth', '=', 1),
      ({ depth }) => depth === 1,
    )
    const [first] = await of.evidenceChain.execute()
    await expectNarrows(
      of.evidenceChain,
      (eb) => eb('evidence_id', '=', first!.evidence_id),
      ({ evidence_id }) => evidence_id === first!.evidence_id,
    )
    await expectNarrows(
      of.searchKnowledge,
      (eb) => eb('title', '=', 'one'),
      ({ title }) => title === 'one',
    )
    await expectNarrows(
      of.relatedKnowledge,
      (eb) => eb('title', '=', 'one'),
      ({ title }) => title === 'one',
    )
    const ofSeries = seriesReads(a, of.callSeries, { before: baseline, after: range })
    for (const read of Object.values<SeriesRead>(ofSeries)) {
      await expectNarrows(
        read,
        (eb) => eb('series', '=', 'urn:db'),
        ({ series }) => series === 'urn:db',
      )
    }
    await expectNarrows(
      of['aggregateAcross the catalog'],
      (eb) => eb('bucket', '<', half),
      ({ bucket }) => bucket < half,
    )
    await expectNarrows(
      of.callOddities,
      (eb) => eb('dst_urn', '=', 'urn:db'),
      ({ dst_urn }) => dst_urn === 'urn:db',
    )
    await expectNarrows(
      of.rankSuspects,
      (eb) => eb('depth', '>', 1),
      ({ depth }) => depth! > 1,
    )
    const [top] = await of.topK.execute()
    await expectNarrows(
      of.topK,
      (eb) => eb('bucket', '=', top!.bucket),
      ({ bucket }) => bucket.getTime() === top!.bucket.getTime(),
    )
    if (of.activeCalls) {
      const [edge] = await of.activeCalls.execute()
      await expectNarrows(
        of.activeCalls,
        (eb) => eb('src', '=', edge!.src),
        ({ src }) => src === edge!.src,
      )
    }
  })
})
