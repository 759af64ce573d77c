import { histogramOf, quantileRank } from '../../../sketch/exponentialHistogram.ts'
import type { SourceObject } from '../../sources/otlpRequest.ts'
import { windowMilliseconds, type CallRow } from '../windows/ingestWindow.ts'
import { earlierOrigin, type LocatorIndex } from '../windows/locatorTally.ts'
import type { Call } from './spanJoin.ts'

/** The rows of one window's calls, one for each caller and callee. */
export function callRows(calls: readonly Call[], from: number, indexOf: LocatorIndex): CallRow[] {
  const edges = new Map<string, { src: string; dst: string; latencies: number[]; errors: number; origin: SourceObject }>()
  for (const { src, dst, latency, failed, origin } of calls) {
    const key = `${src.urn}\0${dst.urn}`
    let edge = edges.get(key)
    if (edge === undefined) edges.set(key, (edge = { src: src.urn, dst: dst.urn, latencies: [], errors: 0, origin }))
    edge.latencies.push(latency)
    if (failed) edge.errors += 1
    edge.origin = earlierOrigin(edge.origin, origin)
  }
  return [...edges.keys()].sort().map((key) => {
    const { src, dst, latencies, errors, origin } = edges.get(key)!
    latencies.sort((a, b) => a - b)
    const count = latencies.length
    const percentile = (q: number) => latencies[quantileRank(count, q) - 1]!
    return {
      bucket: new Date(from),
      from: src,
      to: dst,
      callCount: count,
      errorCount: errors,
      rps: count / (windowMilliseconds / 1000),
      errRate: errors / count,
      p50Ms: percentile(0.5),
      p95Ms: percentile(0.95),
      histogram: count === 1 ? null : histogramOf(latencies),
      locator: indexOf('traces', origin),
    }
  })
}
