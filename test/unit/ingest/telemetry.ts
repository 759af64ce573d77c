import { parseOtlpRequest, type OtlpRequest } from '../../../src/ingest/sources/otlpRequest.ts'
import { rollUp, type RollUpOptions } from '../../../src/ingest/rollUp.ts'
import { emptyReport, type RollUpReport } from '../../../src/ingest/rollups/windows/rollUpReport.ts'
import type { IngestWindow } from '../../../src/ingest/rollups/windows/ingestWindow.ts'

/** Telemetry for tests, written down shortly: seconds after noon, attributes as plain objects. */

export const noon = Date.UTC(2026, 0, 1, 12)

/** Seconds after noon as OTLP writes times. */
export const at = (seconds: number): string => String(BigInt(noon) * 1_000_000n + BigInt(Math.round(seconds * 1e9)))

/** Noon plus so many seconds. */
export const date = (seconds: number): Date => new Date(noon + seconds * 1000)

type Value = string | number | boolean
export const attributes = (values: Record<string, Value>) =>
  Object.entries(values).map(([key, value]) => ({
    key,
    value:
      typeof value === 'string'
        ? { stringValue: value }
        : typeof value === 'boolean'
          ? { boolValue: value }
          : Number.isInteger(value)
            ? { intValue: String(value) }
            : { doubleValue: value },
  }))

export const resource = (service: string | undefined, more: Record<string, Value> = {}) => ({
  attributes: attributes({ ...(service === undefined ? {} : { 'service.name': service, 'service.namespace': 'shop' }), ...more }),
})

export const urn = (service: string) => `urn:k8s:svc:shop/${service}`

export const metrics = (service: string | undefined, list: object[], more: Record<string, Value> = {}) => ({
  resourceMetrics: [{ resource: resource(service, more), scopeMetrics: [{ scope: { name: 'test' }, metrics: list }] }],
})

export const gauge = (name: string, points: object[], unit = '1') => ({ name, unit, gauge: { dataPoints: points } })

export const sum = (name: string, temporality: 'DELTA' | 'CUMULATIVE', isMonotonic: boolean, points: object[], unit = 'By') => ({
  name,
  unit,
  sum: { dataPoints: points, isMonotonic, aggregationTemporality: `AGGREGATION_TEMPORALITY_${temporality}` },
})

export const point = (seconds: number, value: number, start?: number, labels: Record<string, Value> = {}) => ({
  timeUnixNano: at(seconds),
  ...(start === undefined ? {} : { startTimeUnixNano: at(start) }),
  asDouble: value,
  attributes: attributes(labels),
})

export interface SpanInput {
  /** A short id; the span's is made of it. */
  id: string
  parent?: string
  links?: readonly string[]
  kind?: 'SERVER' | 'CLIENT' | 'PRODUCER' | 'CONSUMER' | 'INTERNAL'
  from: number
  to: number
  failed?: boolean
  name?: string
  with?: Record<string, Value>
}

const hex = (text: string, digits: number) => Buffer.from(text).toString('hex').padStart(digits, '0').slice(-digits)
const traceId = hex('trace', 32)

export const span = ({
  id,
  parent,
  links = [],
  kind = 'INTERNAL',
  from,
  to,
  failed = false,
  name = 'test',
  with: given = {},
}: SpanInput) => ({
  traceId,
  spanId: hex(id, 16),
  parentSpanId: parent === undefined ? '' : hex(parent, 16),
  name,
  kind: `SPAN_KIND_${kind}`,
  startTimeUnixNano: at(from),
  endTimeUnixNano: at(to),
  attributes: attributes(given),
  links: links.map((link) => ({ traceId, spanId: hex(link, 16) })),
  status: failed ? { code: 2 } : {},
})

export const spans = (service: string | undefined, list: SpanInput[], more: Record<string, Value> = {}) => ({
  resourceSpans: [{ resource: resource(service, more), scopeSpans: [{ spans: list.map(span) }] }],
})

export const logs = (service: string | undefined, records: object[], more: Record<string, Value> = {}) => ({
  resourceLogs: [{ resource: resource(service, more), scopeLogs: [{ logRecords: records }] }],
})

export const log = (seconds: number, body: string, severityNumber = 9, more: Record<string, Value> = {}) => ({
  timeUnixNano: at(seconds),
  severityNumber,
  body: { stringValue: body },
  attributes: attributes(more),
})

/** Requests as `readOtlp` would yield them, each on a line of its own. */
export function requests(payloads: readonly object[], source = { objectBucket: 'b', objectKey: 'k' }): OtlpRequest[] {
  return payloads.map((payload, at) => {
    const request = parseOtlpRequest(JSON.stringify(payload), source, at + 1)
    if ('reason' in request) throw new Error(request.reason)
    return request
  })
}

/** Everything that an iteration yields. */
export async function all<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = []
  for await (const item of items) list.push(item)
  return list
}

/** Rolls payloads up and returns everything at once. */
export async function rolledUp(
  payloads: readonly object[],
  options: Omit<RollUpOptions, 'report'> = {},
): Promise<{ windows: IngestWindow[]; report: RollUpReport }> {
  const report = emptyReport()
  const windows = await all(rollUp(requests(payloads), { ...options, report }))
  return { windows, report }
}
