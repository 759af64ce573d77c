import { spanKind } from '../../../schema/otlp.ts'
import type { SpanRecord } from '../../records/spanRecord.ts'
import { externalClient, unknownCaller, type TelemetryResource } from '../../records/telemetryResource.ts'
import type { SourceObject } from '../../sources/otlpRequest.ts'
import type { PairedKind, RollUpReport } from '../windows/rollUpReport.ts'

/** One call: who called whom, how long the caller waited, and whether it failed on either side. */
export interface Call {
  src: TelemetryResource
  dst: TelemetryResource
  /** What the caller waited, or where only the callee told of it what that took; milliseconds. */
  latency: number
  /** What the callee took: null where its span did not come. */
  calleeLatency: number | null
  failed: boolean
  origin: SourceObject
}

/**
 * Joins spans into calls between resources.
 *
 * | spans | call | as long as | in the window of |
 * |---|---|---|---|
 * | a client span and the server span that is its child, or has its id | from the client's service to the server's | the client's span: what the caller waited, so the callee's clock does not matter | the client's start |
 * | a producer and a consumer span, joined by parent or link | one to each consuming service | from the producer's start to the consumer's end; where the clocks contradict, both durations added | the producer's start |
 * | a client or producer span without a callee | to what it names: see `calledResource` | its span | its start |
 * | a server span without a parent | from `urn:external:client` | the server's span | its start |
 * | a server span whose parent never came | from `urn:external:unknown` | the server's span | its start |
 * | a server span whose parent is no client | from the parent's service, unless that is its own | the server's span | its start |
 * | a consumer whose producer never came | from the queue that it names | the consumer's span | its start |
 *
 * Beside it stands what the callee took, the longest of its spans, where one came. A call failed if
 * either side failed. Several children in one service are one call. Without a
 * server span a child of another kind in another service stands for the server's side. No calls are
 * a client span that only opens a connection (`isConnecting`), and one around a client span of its
 * service that is the same call: that has a callee, or names one which may be the same.
 *
 * The calls are a function of the spans that are here: neither their order nor how they were cut
 * into files matters.
 */
export class SpanJoin {
  /** By their keys; callees apart, since Zipkin gives both sides of a call one id. */
  readonly #callees = new Map<string, SpanRecord>()
  readonly #others = new Map<string, SpanRecord>()
  /** By the keys of what caused them: of a callee also its own, which may be its caller's. */
  readonly #effects = new Map<string, Set<SpanRecord>>()

  /**
   * Adds a span. Of two with one id the greater one stays, whichever came first.
   *
   * @returns the one with its id that was here already, if there is one.
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

  /** Whether a span counts: not one that gave way to another with its id. */
  has(span: SpanRecord): boolean {
    return this.#sideOf(span).get(span.key) === span
  }

  /** Forgets a span. */
  remove(span: SpanRecord): void {
    if (!this.has(span)) return
    this.#sideOf(span).delete(span.key)
    for (const cause of causesOf(span)) {
      const effects = this.#effects.get(cause)
      if (effects?.delete(span) && effects.size === 0) this.#effects.delete(cause)
    }
  }

  /**
   * The calls that the spans of a window make, the ends of calls that others could have made of
   * them, and the spans whose other side has not come.
   */
  callsOf(spans: readonly SpanRecord[], counts: RollUpReport): CallsOfSpans {
    const calls: ReportedCall[] = []
    const superseded: CallEnds[] = []
    const unpaired: UnpairedSpan[] = []
    for (const span of spans) {
      // Of one that gave way to another with its id there may be calls from before.
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
    // The span around it has a callee: that is this call.
    if (outer.some((span) => this.#effectsOf(span).some(isCallee))) return []
    const failed = caller.failed || outer.some((span) => span.failed)
    if (caller.names !== null) return [{ src, dst: caller.names, latency: caller.duration, calleeLatency: null, failed, origin }]
    unpaired.push({ span: caller, kind: caller.kind === spanKind.producer ? 'producer' : 'client' })
    return []
  }

  /** What a span caused, in the order of time; not what has its caller under its own id. */
  #effectsOf(span: SpanRecord): SpanRecord[] {
    // Under its id may stand its callee, too: what that one caused is not the caller's.
    const half = isCaller(span) ? this.#callees.get(span.key) : undefined
    const effects = [...(this.#effects.get(span.key) ?? [])].filter((effect) => {
      if (half !== undefined && effect !== half) return false
      const shared = isCallee(effect) ? this.#others.get(effect.key) : undefined
      return shared === undefined || shared === span || !isCaller(shared)
    })
    return effects.sort(byStart)
  }

  /** The client spans around one that are the same call. */
  #outerOf(span: SpanRecord): SpanRecord[] {
    return span.causes.flatMap((key) => this.#others.get(key) ?? []).filter((outer) => this.#isSameCall(outer, span))
  }

  /**
   * Whether a client's span below another is the same call, told of by another library: an HTTP
   * client's inside of a gRPC client's. What is inside of a call without being it, such as the
   * fetch of a token, names somebody else.
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
    // It is a side of their call.
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

  /** What caused a callee: the caller under its own id first. */
  #causesOf(callee: SpanRecord): SpanRecord[] {
    const other = this.#others.get(callee.key)
    const itsCaller = other !== undefined && isCaller(other) ? [other] : []
    return [...itsCaller, ...callee.causes.flatMap((key) => this.#causeUnder(key, callee) ?? [])]
  }

  /** The span that a parent's id means: of a call whose two sides share it, the callee's. */
  #causeUnder(key: string, effect: SpanRecord): SpanRecord | undefined {
    const [other, callee] = [this.#others.get(key), this.#callees.get(key)]
    const shared = other !== undefined && isCaller(other) && callee !== undefined && callee !== effect
    return shared ? callee : (other ?? callee)
  }

  /** The ends of all calls that a span makes when not all spans around it are here. */
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

/** What the spans of a window make. */
export interface CallsOfSpans {
  calls: ReportedCall[]
  superseded: CallEnds[]
  unpaired: UnpairedSpan[]
}

/** A span whose other side has not come: a caller that names nobody, or a callee. */
export interface UnpairedSpan {
  span: SpanRecord
  kind: PairedKind
}

/** A call, and whose span made it. */
export interface ReportedCall extends Call {
  /** The URN of who reported the span. */
  by: string
}

/** Who calls whom, by their URNs, and by whose span. */
export interface CallEnds {
  src: string
  dst: string
  by: string
}

/** Which of two spans with one id counts. */
function isGreater(a: SpanRecord, b: SpanRecord): boolean {
  if (a.duration !== b.duration) return a.duration > b.duration
  if (a.start !== b.start) return a.start > b.start
  if (a.failed !== b.failed) return a.failed
  // Not by who describes the resource how, or who has read it.
  const rest = ({ kind, causes, resource, names, connecting, origin }: SpanRecord) =>
    JSON.stringify([kind, connecting, causes, resource.urn, names?.urn, origin])
  return rest(a) > rest(b)
}

/**
 * Whether two names may be of one thing: a host with and without its port, a service and its host.
 */
function mayBeOne(a: TelemetryResource, b: TelemetryResource): boolean {
  // A service that is named alone is taken to be in the caller's namespace.
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
  // A consumer may have waited for the message since before it was sent.
  const skewed = consumes ? end < caller.start : callee.start < caller.start
  if (skewed && caller.counted) counts.skewedCalls += 1
  if (!consumes) return caller.duration
  return skewed ? caller.duration + callee.duration : end - caller.start
}
