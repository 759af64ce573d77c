import { histogramOf, quantileRank } from '../../../sketch/exponentialHistogram.ts'
import type { SourceObject } from '../../sources/otlpRequest.ts'
import { windowMilliseconds, type CallRow } from '../windows/ingestWindow.ts'
import { earlierOrigin, type LocatorIndex } from '../windows/locatorTally.ts'
import type { Call } from './spanJoin.ts'

/** The rows of one window's calls, one for each pair of caller and callee. */
export function callRows(calls: readonly Call[], from: number, indexOf: LocatorIndex): CallRow[] {
  const edges = new Map<
    string,
    { src: string; dst: string; latencies: number[]; calleeLatencies: number[]; errors: number; origin: SourceObject }
  >()
  for (const { src, dst, latency, calleeLatency, failed, origin } of calls) {
    const key = `${src.urn}\0${dst.urn}`
    let edge = edges.get(key)
    if (edge === undefined) edges.set(key, (edge = { src: src.urn, dst: dst.urn, latencies: [], calleeLatencies: [], errors: 0, origin }))
    edge.latencies.push(latency)
    if (calleeLatency !== null) edge.calleeLatencies.push(calleeLatency)
    if (failed) edge.errors += 1
    edge.origin = earlierOrigin(edge.origin, origin)
  }
  return [...edges.keys()].sort().map((key) => {
    const { src, dst, latencies, calleeLatencies, errors, origin } = edges.get(key)!
    const waited = distribution(latencies)
    const took = calleeLatencies.length === 0 ? nothing : distribution(calleeLatencies)
    return {
      bucket: new Date(from),
      from: src,
      to: dst,
      callCount: waited.count,
      errorCount: errors,
      rps: waited.count / (windowMilliseconds / 1000),
      errRate: errors / waited.count,
      p50Ms: waited.p50Ms,
      p95Ms: waited.p95Ms,
      histogram: waited.histogram,
      calleeCount: took.count,
      calleeP50Ms: took.p50Ms,
      calleeP95Ms: took.p95Ms,
      calleeHistogram: took.histogram,
      locator: indexOf('traces', origin),
    }
  })
}

/**
 * A row's latency figures, from at least one latency. A single latency is all percentiles, and has
 * no histogram.
 */
function distribution(latencies: number[]) {
  latencies.sort((a, b) => a - b)
  const count = latencies.length
  const percentile = (q: number) => latencies[quantileRank(count, q) - 1]!
  return { count, p50Ms: percentile(0.5), p95Ms: percentile(0.95), histogram: count === 1 ? null : histogramOf(latencies) }
}

const nothing = { count: 0, p50Ms: null, p95Ms: null, histogram: null }
