import { randomUUID } from 'node:crypto'
import { spanKind, type OtlpSpan } from '../../schema/otlp.ts'
import { AttributeLookup } from './attributes.ts'
import { calledResource, isConnecting, queueOf } from './calledResource.ts'
import type { SourceObject } from '../sources/otlpRequest.ts'
import type { ReportingResource } from './reportingResource.ts'
import type { TelemetryResource } from './telemetryResource.ts'

/**
 * What is kept of a span until its window and the one after it have closed. Times are milliseconds.
 */
export interface SpanRecord {
  /** Trace and span id; of a span without one, what no other span is called. */
  readonly key: string
  /** The keys of the spans that caused it: its parent first; for a consumer then its links. */
  readonly causes: readonly string[]
  readonly kind: number
  readonly resource: TelemetryResource
  /** What a client, producer or consumer names as the other side. */
  readonly names: TelemetryResource | null
  /** Whether it does nothing but open a connection. */
  readonly connecting: boolean
  readonly start: number
  readonly duration: number
  readonly failed: boolean
  readonly origin: SourceObject
  /** As a callee: it is part of a call that was counted. */
  claimed: boolean
  /** As a caller: its call was counted, its window has closed. */
  settled: boolean
}

const statusError = 2

/** Trace and span id; undefined where either is missing. */
const keyOf = (traceId: string, spanId: string): string | undefined => (traceId === '' || spanId === '' ? undefined : traceId + spanId)

/**
 * Reads from a span what is kept of it.
 *
 * @throws InvalidInputError when the URN of the other side would be longer than 1,024 bytes.
 */
export function spanRecord(
  span: OtlpSpan,
  reporter: ReportingResource,
  times: { start: number; duration: number },
  origin: SourceObject,
): SpanRecord {
  const kind = span.kind ?? spanKind.unspecified
  const calls = kind === spanKind.client || kind === spanKind.producer
  const consumes = kind === spanKind.consumer
  const lookup = calls || consumes ? new AttributeLookup(span.attributes) : null
  const parent = keyOf(span.traceId, span.parentSpanId) ?? []
  const links = consumes ? span.links.flatMap(({ traceId, spanId }) => keyOf(traceId, spanId) ?? []) : []
  return {
    key: keyOf(span.traceId, span.spanId) ?? randomUUID(),
    causes: [...new Set([parent, links].flat())],
    kind,
    resource: reporter.resource,
    names: lookup === null ? null : calls ? calledResource(lookup, reporter.namespace) : queueOf(lookup),
    connecting: calls && lookup !== null && isConnecting(lookup, span.name ?? ''),
    ...times,
    failed: span.status?.code === statusError,
    origin,
    claimed: false,
    settled: false,
  }
}
