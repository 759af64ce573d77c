import { spanKind } from '../../schema/otlp.ts'
import { histogramOf, quantileRank } from '../../sketch/exponentialHistogram.ts'
import { earlierSource } from './locatorTally.ts'
import type { SourceObject } from '../sources/otlpRequest.ts'
import { externalClient, unknownCaller } from '../records/resourceOf.ts'
import type { RollupReport } from './rollupReport.ts'
import { windowMilliseconds, type CallRollup, type ResourceInput } from './rollupWindow.ts'
import type { SpanRecord } from '../records/spanRecord.ts'

/** One call: who called whom, how long the caller waited, and whether it failed on either side. */
interface Call {
  src: ResourceInput
  dst: ResourceInput
  /** Milliseconds. */
  latency: number
  failed: boolean
  source: SourceObject
}

/**
 * Joins the spans of all open windows into calls between resources.
 *
 * - A client span and the server span that is its child are one call: from the client's service to the server's, as long as the client's span (what
 *   the caller waited, so the callee's clock does not matter), failed if either side failed, in the window of the client's start. A child of another
 *   kind in another service stands for the server's side where there is no server span. Several children in one service are one call.
 * - A producer span and a consumer span, joined by parent or link, are one call to each consuming service, from the producer's start to the
 *   consumer's end (when the clocks contradict: both durations added).
 * - A client or producer span without a callee when its window closes is a call to what it names: see `calledResource`. One whose child is a client
 *   span of the same service is a wrapper around that, and one that only opens a database connection is no call: neither counts.
 * - A server span without a parent is a call from `urn:external:client`; with a parent that never came, from `urn:external:unknown`; with a parent that
 *   is no client, from the parent's service, unless that is its own. These last as long as the server's span and lie in the window of its start.
 * - A consumer whose producer was counted as a call to the queue, or never came, is a call from the queue it names.
 * - A callee that comes when its caller's window has closed is counted as late, never a second time.
 *
 * The order in which spans come does not matter as long as both sides come before the windows of both have closed.
 */
export class SpanJoin {
  readonly #spans = new Map<string, SpanRecord>()
  readonly #effects = new Map<string, Set<SpanRecord>>()

  /** @returns false when a span with this id is here already. */
  add(span: SpanRecord): boolean {
    if (this.#spans.has(span.key)) return false
    this.#spans.set(span.key, span)
    for (const cause of span.causes) {
      const effects = this.#effects.get(cause)
      if (effects === undefined) this.#effects.set(cause, new Set([span]))
      else effects.add(span)
    }
    return true
  }

  /** Forgets spans: their windows have closed long enough ago. */
  remove(spans: Iterable<SpanRecord>): void {
    for (const span of spans) {
      this.#spans.delete(span.key)
      for (const cause of span.causes) {
        const effects = this.#effects.get(cause)
        if (effects?.delete(span) && effects.size === 0) this.#effects.delete(cause)
      }
    }
  }

  /** The calls that the spans of a closing window make. */
  settle(spans: readonly SpanRecord[], report: RollupReport): Call[] {
    const calls: Call[] = []
    // Callers first: they claim their callees, which then are not asked where they came from.
    for (const span of spans) if (isCaller(span)) calls.push(...this.#callsOf(span, report))
    for (const span of spans) if (isCallee(span) && !span.claimed) calls.push(...this.#callTo(span, report))
    return calls
  }

  #callsOf(caller: SpanRecord, report: RollupReport): Call[] {
    caller.settled = true
    const effects = [...(this.#effects.get(caller.key) ?? [])].sort(byStart)
    const entries = effects.filter(isCallee)
    const callees = entries.length > 0 ? entries : effects.filter(({ resource }) => resource.urn !== caller.resource.urn)
    const byService = new Map<string, SpanRecord>()
    for (const callee of callees) {
      callee.claimed = true
      if (!byService.has(callee.resource.urn)) byService.set(callee.resource.urn, callee)
    }
    const { resource: src, source } = caller
    if (byService.size > 0) {
      return [...byService.values()].map((callee) => {
        const sameService = callees.filter(({ resource }) => resource.urn === callee.resource.urn)
        const failed = caller.failed || sameService.some((span) => span.failed)
        return { src, dst: callee.resource, latency: latencyOf(caller, callee, report), failed, source }
      })
    }
    if (caller.connecting || effects.some(({ kind }) => kind === spanKind.client && caller.kind === spanKind.client)) return []
    if (caller.names !== null) return [{ src, dst: caller.names, latency: caller.duration, failed: caller.failed, source }]
    report.unjoinedClients += 1
    return []
  }

  #callTo(callee: SpanRecord, report: RollupReport): Call[] {
    const call = (src: ResourceInput): Call[] => [
      { src, dst: callee.resource, latency: callee.duration, failed: callee.failed, source: callee.source },
    ]
    const causes = callee.causes.flatMap((key) => this.#spans.get(key) ?? [])
    const callers = causes.filter(isCaller)
    // Still to be settled: it will claim this one.
    if (callers.some(({ settled }) => !settled)) return []
    const consumes = callee.kind === spanKind.consumer
    if (callers.length > 0) {
      if (consumes && callee.names !== null && callers.every(({ names }) => names?.urn === callee.names?.urn)) return call(callee.names)
      report.lateServers += 1
      return []
    }
    const others = causes.filter(({ resource }) => resource.urn !== callee.resource.urn)
    if (others.length > 0) return call(others[0]!.resource)
    if (causes.some(({ kind }) => kind === spanKind.consumer || !consumes)) return []
    if (consumes && callee.names !== null) return call(callee.names)
    if (causes.length > 0) return []
    if (callee.causes.length === 0) return call(externalClient)
    report.orphanServers += 1
    return call(unknownCaller)
  }
}

const isCaller = ({ kind }: SpanRecord) => kind === spanKind.client || kind === spanKind.producer
const isCallee = ({ kind }: SpanRecord) => kind === spanKind.server || kind === spanKind.consumer
const byStart = (a: SpanRecord, b: SpanRecord) => a.start - b.start || (a.key < b.key ? -1 : 1)

function latencyOf(caller: SpanRecord, callee: SpanRecord, report: RollupReport): number {
  const ahead = callee.start < caller.start
  if (ahead) report.skewedCalls += 1
  if (callee.kind !== spanKind.consumer) return caller.duration
  return ahead ? caller.duration + callee.duration : callee.start - caller.start + callee.duration
}

/** Rolls the calls of one window up by caller and callee. */
export function rollUpCalls(
  calls: readonly Call[],
  from: number,
  indexOf: (dataset: 'traces', source: SourceObject) => number,
): CallRollup[] {
  const edges = new Map<string, { src: string; dst: string; latencies: number[]; errors: number; source: SourceObject }>()
  for (const { src, dst, latency, failed, source } of calls) {
    const key = `${src.urn}\0${dst.urn}`
    let edge = edges.get(key)
    if (edge === undefined) edges.set(key, (edge = { src: src.urn, dst: dst.urn, latencies: [], errors: 0, source }))
    edge.latencies.push(latency)
    if (failed) edge.errors += 1
    edge.source = earlierSource(edge.source, source)
  }
  return [...edges.keys()].sort().map((key) => {
    const { src, dst, latencies, errors, source } = edges.get(key)!
    latencies.sort((a, b) => a - b)
    const count = latencies.length
    const percentile = (q: number) => latencies[quantileRank(count, q) - 1]!
    return {
      bucket: new Date(from),
      src,
      dst,
      callCount: count,
      errorCount: errors,
      rps: count / (windowMilliseconds / 1000),
      errRate: errors / count,
      p50Ms: percentile(0.5),
      p95Ms: percentile(0.95),
      histogram: count === 1 ? null : histogramOf(latencies),
      locator: indexOf('traces', source),
    }
  })
}
