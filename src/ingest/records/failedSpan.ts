import { spanKind, type OtlpSpan } from '../../schema/otlp.ts'
import type { AttributeLookup } from './attributes.ts'

const status = { unset: 0, ok: 1, error: 2 } as const

/** The names of gRPC's codes, from 0. */
const grpcCodes: readonly string[] = [
  'OK',
  'CANCELLED',
  'UNKNOWN',
  'INVALID_ARGUMENT',
  'DEADLINE_EXCEEDED',
  'NOT_FOUND',
  'ALREADY_EXISTS',
  'PERMISSION_DENIED',
  'RESOURCE_EXHAUSTED',
  'FAILED_PRECONDITION',
  'ABORTED',
  'OUT_OF_RANGE',
  'UNIMPLEMENTED',
  'INTERNAL',
  'UNAVAILABLE',
  'DATA_LOSS',
  'UNAUTHENTICATED',
]

/**
 * The codes that are the server's fault: UNKNOWN, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL,
 * UNAVAILABLE, DATA_LOSS.
 */
const grpcServerErrors: ReadonlySet<number> = new Set([2, 4, 12, 13, 14, 15])

/**
 * Whether a span failed: by its status. If the status is unset, as proxies and some
 * instrumentations leave it, by the protocol, as in OpenTelemetry's semantic conventions:
 *
 * | protocol | on the server's side | on the client's side |
 * |---|---|---|
 * | HTTP, by `http.response.status_code` | 500 and above | 400 and above |
 * | gRPC, by `rpc.grpc.status_code` or `rpc.response.status_code` | 2, 4, 12, 13, 14, 15 | all but 0 |
 * | any, by `error.type` | if present | if present |
 *
 * A status of OK always counts as success.
 */
export function hasFailed(span: OtlpSpan, lookup: AttributeLookup): boolean {
  const code = span.status?.code ?? status.unset
  if (code !== status.unset) return code === status.error
  const client = span.kind === spanKind.client || span.kind === spanKind.producer
  const http = Number(lookup.text('http.response.status_code', 'http.status_code') ?? 0)
  if (http >= (client ? 400 : 500)) return true
  const written = lookup.text('rpc.grpc.status_code', 'rpc.response.status_code') ?? '0'
  const named = grpcCodes.indexOf(written.toUpperCase())
  const grpc = named === -1 ? Number(written) : named
  return (client ? grpc > 0 : grpcServerErrors.has(grpc)) || lookup.text('error.type') !== undefined
}
