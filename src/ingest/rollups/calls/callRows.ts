import { compareBytes } from '../../../schema/compareBytes.ts'
import { histogramOf, quantileRank } from '../../../sketch/exponentialHistogram.ts'
import { windowMilliseconds, type CallRow } from '../windows/ingestWindow.ts'
import { earlierOrigin, type LocatorIndex } from '../windows/locatorTally.ts'
import type { Call } from './spanJoin.ts'

/** The rows of one window, in order: one for the calls of each pair of caller and callee. */
export function callRows(edges: Iterable<readonly Call[]>, from: number, indexOf: LocatorIndex): CallRow[] {
  return [...edges].map((calls) => callRow(calls, from, indexOf)).sort((a, b) => compareBytes(a.from, b.from) || compareBytes(a.to, b.to))
}

function callRow(calls: readonly Call[], from: number, indexOf: LocatorIndex): CallRow {
  const { src, dst } = calls[0]!
  const latencies: number[] = []
  const calleeLatencies: number[] = []
  let errors = 0
  let origin = calls[0]!.origin
  for (const call of calls) {
    latencies.push(call.latency)
    if (call.calleeLatency !== null) calleeLatencies.push(call.calleeLatency)
    if (call.failed) errors += 1
    origin = earlierOrigin(origin, call.origin)
  }
  const waited = distribution(latencies)
  const took = calleeLatencies.length === 0 ? nothing : distribution(calleeLatencies)
  return {
    bucket: new Date(from),
    from: src.urn,
    to: dst.urn,
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
