import { sql, type Compilable } from 'kysely'
import { activeCalls, callsDuring, callSummary, refreshCallGraph, slowestDependencies } from '../../calls/index.ts'
import { bucketStart, windowBucket } from '../../database/buckets.ts'
import type { TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { attachEvidence, evidenceChain, recordEvent, type EvidenceInput } from '../../events/index.ts'
import { impact } from '../../graph/index.ts'
import { callOddities, rankSuspects, type Suspect } from '../../incident/index.ts'
import { newPatterns } from '../../logs/index.ts'
import { metricSeries } from '../../metrics/index.ts'
import { topK } from '../../ranking/index.ts'
import { NotFoundError } from '../../schema/errors.ts'
import { firstDeparture } from '../../series/index.ts'

/** An answer, the function that gave it, and its statement. */
export interface Finding<Row> {
  /** As one would write it: `topK(scope, rankSuspects(scope, { ... }), 3)`. */
  call: string
  sql: string
  rows: Row[]
}

export type Investigation = Awaited<ReturnType<typeof investigate>>

/** The metric OpenTelemetry names for what a service's callers wait; in seconds. */
const durationMetric = 'http.server.request.duration'
const client = 'urn:external:client'
/** A complaint logged less often is one request's bad luck, of which calm times have some too. */
const repeated = 3

/**
 * Asks what an on-call engineer asks, in that order, and keeps the answers with the statements that
 * gave them. What it is told is only which time to look at; where it hurts, since when and why, it
 * finds out.
 *
 * In calm times every finding about trouble is empty and no event is recorded.
 */
export async function investigate(scope: Scope, whole: TimeRange) {
  const entry = await ask(
    'callSummary(scope, { range, by: "call" })',
    callSummary(scope, { range: whole, by: 'call' })
      .where('src_urn', '=', client)
      .orderBy('call_count', 'desc')
      .orderBy('dst_urn')
      .limit(1),
  )
  const service = entry.rows[0]?.dst_urn
  if (service === undefined)
    throw new NotFoundError(`nobody from outside called any service between ${whole.from.toISOString()} and ${whole.to.toISOString()}`)

  const latency = metricSeries(scope, { metric: durationMetric, resource: service, measure: 'p95', by: 'resource', range: whole })
  const points = await ask(`metricSeries(scope, { metric: '${durationMetric}', resource, measure: 'p95', by: 'resource', range })`, latency)
  const departure = await ask(
    "firstDeparture(scope, latency, { window: '1 hour', threshold: 5, floor: 0.1, consecutive: 3 })",
    firstDeparture(scope, latency, { window: '1 hour', threshold: 5, floor: 0.1, consecutive: 3 }).where('direction', '=', 'up'),
  )
  const since = departure.rows[0]?.bucket
  // Without a departure the last third is held against the time before it, so that "nothing" is an
  // answer and not a question unasked.
  const split = since ?? new Date(whole.from.getTime() + (2 / 3) * (whole.to.getTime() - whole.from.getTime()))
  const range: TimeRange = { from: bucketStart(windowBucket, split), to: whole.to }
  const baseline: TimeRange = { from: whole.from, to: range.from }

  const dependencies = await ask('slowestDependencies(scope, { service, range })', slowestDependencies(scope, { service, range }))
  const oddities = await ask('callOddities(scope, { range, baseline })', callOddities(scope, { range, baseline }))
  const suspects = await ask(
    'topK(scope, rankSuspects(scope, { service, range, baseline }), 3)',
    topK(scope, rankSuspects(scope, { service, range, baseline }), 3),
  )
  const patterns = await ask(
    `newPatterns(scope, { range }).where('severity', 'in', ['WARN', 'ERROR', 'FATAL']).where('count_total', '>=', ${repeated})`,
    // From a minute earlier on: a bucket's time is when it begins, and what is seen in it may
    // follow from what was logged just before.
    newPatterns(scope, { range: { from: since === undefined ? range.from : new Date(since.getTime() - 60_000), to: whole.to } })
      .where('severity', 'in', ['WARN', 'ERROR', 'FATAL'])
      .where('count_total', '>=', repeated)
      .limit(6),
  )

  if (scope.extensions.has('age')) await refreshCallGraph(scope, { window: '10 minutes', now: new Date(whole.to.getTime() - 1) })
  const [graphCall, graph] = scope.extensions.has('age')
    ? ['activeCalls(scope)', activeCalls(scope)]
    : ['callsDuring(scope, { range })', callsDuring(scope, { range })]
  const culprit = suspects.rows[0]
  const hit =
    culprit && (await ask(`impact(scope, ${graphCall}, { resource: '${culprit.urn}' })`, impact(scope, graph, { resource: culprit.urn })))
  const chain = culprit && since && (await explain(scope, { service, since, range, culprit, patterns: patterns.rows }))
  return { service, whole, range, baseline, since, entry, points, departure, dependencies, oddities, suspects, patterns, hit, chain }
}

/** Executes a query and keeps how it was asked. */
async function ask<Row>(call: string, query: Compilable & { execute(): Promise<Row[]> }): Promise<Finding<Row>> {
  return { call, sql: query.compile().sql, rows: await query.execute() }
}

interface Explanation {
  service: string
  since: Date
  range: TimeRange
  culprit: Suspect
  patterns: { fingerprint_id: string; pattern: string; count_total: number }[]
}

/**
 * Records the event with what was found as its evidence, down to where the raw records lie, and
 * reads the chain back.
 */
async function explain(scope: Scope, { service, since, range, culprit, patterns }: Explanation) {
  const event = await recordEvent(scope, {
    detectedAt: since,
    resource: service,
    severity: 'ERROR',
    kind: 'anomaly',
    title: `${nameOf(service)} left its normal latency; ${nameOf(culprit.urn)} is behind it`,
  })
  const { rows: samples } = await sql<{ traces: string | null; logs: string | null }>`
    select
      (
        select sample_ref::text from ${scope.id('service_call_5m')}
        where tenant_id = ${scope.tenantId}::int8 and src_resource_id = ${culprit.src}::int8 and dst_resource_id = ${culprit.resource_id}::int8
          and bucket >= ${range.from} and bucket < ${range.to} and sample_ref is not null
        order by bucket limit 1
      ) as traces,
      (
        select sample_ref::text from ${scope.id('log_pattern_5m')}
        where tenant_id = ${scope.tenantId}::int8 and fingerprint_id = ${patterns[0]?.fingerprint_id ?? null}::int8 and sample_ref is not null
        order by bucket limit 1
      ) as logs
  `.execute(scope.db)
  const { rows: resources } = await sql<{ id: string }>`
    select resource_id::text as id from ${scope.id('dim_resource')} where tenant_id = ${scope.tenantId}::int8 and urn = ${service}
  `.execute(scope.db)
  const evidence: EvidenceInput[] = [
    {
      dim: 'metric',
      refPg: { table: 'metric_1m', keys: { resource_id: resources[0]!.id, metric: durationMetric, bucket: since } },
      note: `p95 left its normal range at ${since.toISOString()}`,
    },
    {
      dim: 'call',
      refPg: { table: 'service_call_5m', keys: { src_resource_id: culprit.src, dst_resource_id: culprit.resource_id } },
      note: `${culprit.measure} rose from ${round(culprit.expected)} to ${round(culprit.actual)}`,
    },
    ...(samples[0]?.traces ? [{ dim: 'trace', refOo: samples[0].traces, note: 'the spans of those calls' } as const] : []),
    ...patterns.slice(0, 1).map(
      ({ fingerprint_id, count_total }) =>
        ({
          dim: 'log',
          refPg: { table: 'log_pattern', keys: { fingerprint_id } },
          refOo: samples[0]?.logs ?? undefined,
          note: `first seen now, ${count_total} times since`,
        }) as const,
    ),
  ]
  await attachEvidence(scope, { eventId: event, evidence })
  return ask(`evidenceChain(scope, { eventId: '${event}' })`, evidenceChain(scope, { eventId: event }))
}

const round = (value: number) => Number(value.toPrecision(3))

/**
 * A URN as people say it: `payment` for `urn:k8s:svc:shop/payment`, `postgres shop` for
 * `urn:db:postgres:db-1/shop`.
 */
export function nameOf(urn: string): string {
  const name = urn.slice(Math.max(urn.lastIndexOf('/'), urn.lastIndexOf(':')) + 1)
  const kind = /^urn:(?:db|queue):([^:/]+)/.exec(urn)?.[1]
  return kind === undefined ? name : `${kind} ${name}`
}
