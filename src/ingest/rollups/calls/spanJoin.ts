import { spanKind } from '../../../schema/otlp.ts'
import type { SpanRecord } from '../../records/spanRecord.ts'
import { externalClient, unknownCaller, type TelemetryResource } from '../../records/telemetryResource.ts'
import type { SourceObject } from '../../sources/otlpRequest.ts'
import type { PairedKind, RollUpReport } from '../windows/rollUpReport.ts'

/** One call: the caller and callee, how long the caller waited, and whether either side failed. */
export interface Call {
  src: TelemetryResource
  dst: TelemetryResource
  /**
   * How long the caller waited, or how long the callee took if only its span arrived; milliseconds.
   */
  latency: number
  /** How long the callee took; null if its span did not arrive. */
  calleeLatency: number | null
  failed: boolean
  origin: SourceObject
}

/**
 * Joins spans into calls between resources.
 *
 * | spans | call | latency | in the window of |
 * |---|---|---|---|
 * | a client span and the server span that is its child, or has its id | from the client's service to the server's | the client's span: how long the caller waited, so the callee's clock does not matter | the client's start |
 * | a producer and a consumer span, joined by parent or link | one to each consuming service | from the producer's start to the consumer's end; if the clocks contradict, both durations added | the producer's start |
 * | a client or producer span without a callee | to the resource it names: see `calledResource` | its span | its start |
 * | a server span without a parent | from `urn:external:client` | the server's span | its start |
 * | a server span whose parent never arrived | from `urn:external:unknown` | the server's span | its start |
 * | a server span whose parent is not a client span | from the parent's service, unless that is its own | the server's span | its start |
 * | a consumer whose producer never arrived | from the queue that it names | the consumer's span | its start |
 *
 * - The callee's own duration is kept too: the longest of its spans, if one arrived.
 * - A call failed if either side failed.
 * - Several child spans in one service are one call.
 * - Without a server span, a child of another kind in another service counts as the server's side.
 * - Two client spans are not calls: one that only opens a connection (`isConnecting`), and one
 *   around a client span of the same service that is the same call. The inner span is the same call
 *   if it has a callee, or names one that may be the same.
 *
 * The calls depend only on the set of spans, not on their order or on how they were split into
 * files.
 */
export class SpanJoin {
  /**
   * Spans by their keys. Callees have a map of their own, since Zipkin gives both sides of a call
   * one id.
   */
  readonly #callees = new Map<string, SpanRecord>()
  readonly #others = new Map<string, SpanRecord>()
  /**
   * Effects by the keys of their causes; a callee also by its own key, which may be its caller's.
   */
  readonly #effects = new Map<string, Set<SpanRecord>>()

  /**
   * Adds a span. Of two spans with one id the greater one is kept, in any order of arrival.
   *
   * @returns the span with its id that was already here, if any.
   */
  add(span: SpanRecord): SpanRecord | undefined {
    const side = this.#sideOf(span)
    const known = side.get(span.key)
    if (known !== undefined && !isGreater(span, known)) return known
    if (known !== undefined) this.remove(known)
    side.set(span.key, span)
    for (const cause of causesOf(span)) {
      const effects = this.#effects.get(cause)
      if (effects === undefined) this.#effects.set(cause, new Set([span]))
      else effects.add(span)
    }
    return known
  }

  /** Whether a span counts: false if another one with its id replaced it. */
  has(span: SpanRecord): boolean {
    return this.#sideOf(span).get(span.key) === span
  }

  /** Removes a span. */
  remove(span: SpanRecord): void {
    if (!this.has(span)) return
    this.#sideOf(span).delete(span.key)
    for (const cause of causesOf(span)) {
      const effects = this.#effects.get(cause)
      if (effects?.delete(span) && effects.size === 0) this.#effects.delete(cause)
    }
  }

  /**
   * The calls of a window's spans, the ends of calls that earlier spans could have made instead,
   * and the spans whose other side has not arrived.
   */
  callsOf(spans: readonly SpanRecord[], counts: RollUpReport): CallsOfSpans {
    const calls: ReportedCall[] = []
    const superseded: CallEnds[] = []
    const unpaired: UnpairedSpan[] = []
    for (const span of spans) {
      // A span replaced by another with its id may have made calls before.
      for (const ends of this.#otherEndsOf(span)) superseded.push({ ...ends, by: span.resource.urn })
      if (!this.has(span)) continue
      const made = isCaller(span) ? this.#callsBy(span, counts, unpaired) : isCallee(span) ? this.#callTo(span, unpaired) : []
      for (const call of made) calls.push({ ...call, by: span.resource.urn })
    }
    return { calls, superseded, unpaired }
  }

  #sideOf(span: SpanRecord): Map<string, SpanRecord> {
    return isCallee(span) ? this.#callees : this.#others
  }

  #callsBy(caller: SpanRecord, counts: RollUpReport, unpaired: UnpairedSpan[]): Call[] {
    const effects = this.#effectsOf(caller)
    const entries = effects.filter(isCallee)
    const callees = entries.length > 0 ? entries : effects.filter(({ resource }) => resource.urn !== caller.resource.urn)
    const byService = new Map<string, SpanRecord>()
    for (const callee of callees) if (!byService.has(callee.resource.urn)) byService.set(callee.resource.urn, callee)
    const { resource: src, origin } = caller
    if (byService.size > 0) {
      return [...byService.values()].map((callee) => {
        const sameService = callees.filter(({ resource }) => resource.urn === callee.resource.urn)
        const failed = [caller, ...this.#outerOf(caller), ...sameService].some((span) => span.failed)
        const calleeLatency = sameService.reduce((longest, { duration }) => Math.max(longest, duration), 0)
        return { src, dst: callee.resource, latency: latencyOf(caller, callee, counts), calleeLatency, failed, origin }
      })
    }
    if (caller.connecting || effects.some((effect) => this.#isSameCall(caller, effect))) return []
    const outer = this.#outerOf(caller)
    // The outer span has a callee, so the outer span is this call.
    if (outer.some((span) => this.#effectsOf(span).some(isCallee))) return []
    const failed = caller.failed || outer.some((span) => span.failed)
    if (caller.names !== null) return [{ src, dst: caller.names, latency: caller.duration, calleeLatency: null, failed, origin }]
    unpaired.push({ span: caller, kind: caller.kind === spanKind.producer ? 'producer' : 'client' })
    return []
  }

  /**
   * The spans that a span caused, in order of time; without those whose caller has their own id.
   */
  #effectsOf(span: SpanRecord): SpanRecord[] {
    // Its callee may have the same id: what the callee caused is not the caller's.
    const half = isCaller(span) ? this.#callees.get(span.key) : undefined
    const effects = [...(this.#effects.get(span.key) ?? [])].filter((effect) => {
      if (half !== undefined && effect !== half) return false
      const shared = isCallee(effect) ? this.#others.get(effect.key) : undefined
      return shared === undefined || shared === span || !isCaller(shared)
    })
    return effects.sort(byStart)
  }

  /** The client spans around a span that are the same call. */
  #outerOf(span: SpanRecord): SpanRecord[] {
    return span.causes.flatMap((key) => this.#others.get(key) ?? []).filter((outer) => this.#isSameCall(outer, span))
  }

  /**
   * Whether a client span below another is the same call, reported by another library: an HTTP
   * client's inside a gRPC client's. A different call inside, such as fetching a token, names
   * another resource.
   */
  #isSameCall(outer: SpanRecord, inner: SpanRecord): boolean {
    if (outer.kind !== spanKind.client || inner.kind !== spanKind.client || inner.connecting) return false
    if (outer.resource.urn !== inner.resource.urn) return false
    if (inner.names === null) return this.#effectsOf(inner).some(isCallee)
    return outer.names === null || mayBeOne(outer.names, inner.names)
  }

  #callTo(callee: SpanRecord, unpaired: UnpairedSpan[]): Call[] {
    const { resource: dst, duration, failed, origin } = callee
    const call = (src: TelemetryResource): Call[] => [{ src, dst, latency: duration, calleeLatency: duration, failed, origin }]
    const causes = this.#causesOf(callee)
    // It is one side of their call.
    if (causes.some(isCaller)) return []
    const consumes = callee.kind === spanKind.consumer
    const others = causes.filter(({ resource }) => resource.urn !== callee.resource.urn)
    if (others.length > 0) return call(others[0]!.resource)
    if (causes.some(({ kind }) => kind === spanKind.consumer || !consumes)) return []
    if (consumes && callee.names !== null) return call(callee.names)
    if (causes.length > 0) return []
    if (callee.causes.length === 0) return call(externalClient)
    unpaired.push({ span: callee, kind: consumes ? 'consumer' : 'server' })
    return call(unknownCaller)
  }

  /** The causes of a callee: the caller with its own id first. */
  #causesOf(callee: SpanRecord): SpanRecord[] {
    const other = this.#others.get(callee.key)
    const itsCaller = other !== undefined && isCaller(other) ? [other] : []
    return [...itsCaller, ...callee.causes.flatMap((key) => this.#causeUnder(key, callee) ?? [])]
  }

  /** The span that a parent's id refers to: if both sides of a call share the id, the callee's. */
  #causeUnder(key: string, effect: SpanRecord): SpanRecord | undefined {
    const [other, callee] = [this.#others.get(key), this.#callees.get(key)]
    const shared = other !== undefined && isCaller(other) && callee !== undefined && callee !== effect
    return shared ? callee : (other ?? callee)
  }

  /** The ends of all calls that a span makes if some of the spans around it are missing. */
  *#otherEndsOf(span: SpanRecord): Generator<Omit<CallEnds, 'by'>> {
    const { urn } = span.resource
    if (span.names !== null) yield isCallee(span) ? { src: span.names.urn, dst: urn } : { src: urn, dst: span.names.urn }
    if (!isCallee(span)) {
      for (const { resource } of this.#effects.get(span.key) ?? []) yield { src: urn, dst: resource.urn }
      return
    }
    yield { src: externalClient.urn, dst: urn }
    yield { src: unknownCaller.urn, dst: urn }
    for (const key of causesOf(span)) {
      for (const cause of [this.#others.get(key), this.#callees.get(key)]) {
        if (cause !== undefined && cause.resource.urn !== urn) yield { src: cause.resource.urn, dst: urn }
      }
    }
  }
}

/** The results for a window's spans. */
export interface CallsOfSpans {
  calls: ReportedCall[]
  superseded: CallEnds[]
  unpaired: UnpairedSpan[]
}

/** A span whose other side has not arrived: a caller that names no callee, or a callee. */
export interface UnpairedSpan {
  span: SpanRecord
  kind: PairedKind
}

/** A call, and the resource whose span made it. */
export interface ReportedCall extends Call {
  /** The URN of the resource that reported the span. */
  by: string
}

/** Caller and callee by URN, and the resource that reported the span. */
export interface CallEnds {
  src: string
  dst: string
  by: string
}

/** Which of two spans with one id is kept. */
function isGreater(a: SpanRecord, b: SpanRecord): boolean {
  if (a.duration !== b.duration) return a.duration > b.duration
  if (a.start !== b.start) return a.start > b.start
  if (a.failed !== b.failed) return a.failed
  // Without the description of the resource, and without which run read it.
  const rest = ({ kind, causes, resource, names, connecting, origin }: SpanRecord) =>
    JSON.stringify([kind, connecting, causes, resource.urn, names?.urn, origin])
  return rest(a) > rest(b)
}

/**
 * Whether two names may refer to one thing: a host with and without its port, a service and its
 * host.
 */
function mayBeOne(a: TelemetryResource, b: TelemetryResource): boolean {
  // A service named without a namespace is assumed to be in the caller's.
  if (a.type === 'service' && b.type === 'service') return a.name === b.name
  if (a.type === b.type) return a.urn === b.urn || a.urn.startsWith(`${b.urn}:`) || b.urn.startsWith(`${a.urn}:`)
  const service = [a, b].find(({ type }) => type === 'service')
  const host = [a, b].find(({ type }) => type === 'host')
  return service !== undefined && host !== undefined && (host.name === service.name || host.name.startsWith(`${service.name}.`))
}

const causesOf = (span: SpanRecord): readonly string[] => (isCallee(span) ? [...span.causes, span.key] : span.causes)

const isCaller = ({ kind }: SpanRecord) => kind === spanKind.client || kind === spanKind.producer
const isCallee = ({ kind }: SpanRecord) => kind === spanKind.server || kind === spanKind.consumer
const byStart = (a: SpanRecord, b: SpanRecord) => a.start - b.start || (a.key < b.key ? -1 : 1)

function latencyOf(caller: SpanRecord, callee: SpanRecord, counts: RollUpReport): number {
  const consumes = callee.kind === spanKind.consumer
  const end = callee.start + callee.duration
  // A consumer may have begun to wait for the message before it was sent.
  const skewed = consumes ? end < caller.start : callee.start < caller.start
  if (skewed && caller.counted) counts.skewedCalls += 1
  if (!consumes) return caller.duration
  return skewed ? caller.duration + callee.duration : end - caller.start
}
