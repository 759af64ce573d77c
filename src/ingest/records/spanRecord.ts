import { randomUUID } from 'node:crypto'
import { spanKind, type OtlpSpan } from '../../schema/otlp.ts'
import { AttributeLookup, attributesOf } from './attributes.ts'
import { hasFailed } from './failedSpan.ts'
import { calledResource, isConnecting, queueOf } from './calledResource.ts'
import type { DimensionValue, ValuesOf } from './dimensionValues.ts'
import type { SourceObject } from '../sources/otlpRequest.ts'
import type { ReportingResource } from './reportingResource.ts'
import { resourceNamed, type ResourceOf } from './resourceOf.ts'
import type { TelemetryResource } from './telemetryResource.ts'

/**
 * The fields of a span that are kept while calls of its time may change. Times are milliseconds.
 */
export interface SpanRecord {
  /** Trace and span id; for a span without them, a unique key. */
  readonly key: string
  /** The keys of the spans that caused it: its parent first, then a consumer's links. */
  readonly causes: readonly string[]
  readonly kind: number
  readonly resource: TelemetryResource
  /** The other side that a client, producer or consumer span names. */
  readonly names: TelemetryResource | null
  /** Whether it only opens a connection or resolves an address. */
  readonly connecting: boolean
  readonly start: number
  readonly duration: number
  readonly failed: boolean
  /** Its values to count, by dimension. */
  readonly values: readonly DimensionValue[]
  readonly origin: SourceObject
  /** Whether the report of this run counts it; false if another run read it. */
  readonly counted: boolean
}

const noCauses: readonly string[] = []

const inside: ReadonlySet<number> = new Set([spanKind.unspecified, spanKind.internal])

/** Trace and span id; undefined if either is missing. */
const keyOf = (traceId: string, spanId: string): string | undefined => (traceId === '' || spanId === '' ? undefined : traceId + spanId)

/**
 * Reads the fields of a span that are kept.
 *
 * @param rules `resourceOf` is called for the other side of a client, producer or consumer span.
 * @throws InvalidInputError if the URN of the other side would be longer than 1,024 bytes, or
 * `resourceOf` returns a value that cannot be stored.
 */
export function spanRecord(
  span: OtlpSpan,
  reporter: ReportingResource,
  times: { start: number; duration: number },
  origin: SourceObject,
  { resourceOf, valuesOf }: { resourceOf?: ResourceOf | undefined; valuesOf: ValuesOf },
): SpanRecord {
  // Most spans are internal, and their attributes are not needed.
  const lookup = new AttributeLookup(inside.has(span.kind ?? spanKind.unspecified) ? [] : span.attributes)
  const kind = kindOf(span, lookup)
  const calls = kind === spanKind.client || kind === spanKind.producer
  const consumes = kind === spanKind.consumer
  const parent = keyOf(span.traceId, span.parentSpanId)
  const named = (given: TelemetryResource | null): TelemetryResource | null => {
    if (resourceOf === undefined) return given
    const described = { kind: 'peer', attributes: attributesOf(span.attributes), reporter: reporter.resource } as const
    return resourceNamed(resourceOf, described, given).resource
  }
  const links = consumes ? span.links.flatMap(({ traceId, spanId }) => keyOf(traceId, spanId) ?? []) : []
  return {
    key: keyOf(span.traceId, span.spanId) ?? randomUUID(),
    causes:
      links.length === 0 ? (parent === undefined ? noCauses : [parent]) : [...new Set(parent === undefined ? links : [parent, ...links])],
    kind,
    resource: reporter.resource,
    names: calls || consumes ? named(calls ? calledResource(lookup, reporter.namespace) : queueOf(lookup)) : null,
    connecting: calls && isConnecting(lookup, span.name ?? ''),
    ...times,
    failed: hasFailed(span, lookup),
    values: valuesOf.span(span, kind),
    origin,
    counted: true,
  }
}

/** `receive`, `receive orders`, `orders receive`, `SQS.ReceiveMessage`. */
const receiving = /^(?:receive|poll|pull)\b|\b(?:receive|poll|pull)$|\bReceiveMessage$/i

/**
 * The span's kind. OpenTelemetry calls a span that asks a broker for messages a client, but it
 * calls no service: it consumes the message it is linked to, or waits for messages that its child
 * spans process.
 */
function kindOf({ kind, name, links }: OtlpSpan, lookup: AttributeLookup): number {
  if (kind !== spanKind.client || !lookup.has('messaging.system')) return kind ?? spanKind.unspecified
  const operation = lookup.text('messaging.operation.type', 'messaging.operation', 'messaging.operation.name')
  const receives = operation === undefined ? receiving.test(name ?? '') : /^(?:receive|poll|pull)/i.test(operation)
  if (!receives) return kind
  return links.length > 0 ? spanKind.consumer : spanKind.internal
}
