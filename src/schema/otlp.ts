import { z } from 'zod'
import {
  isAnyValue,
  readAttributes,
  readCount,
  readDouble,
  readInteger,
  readNanoseconds,
  readSeverity,
  readSpanId,
  readSpanKind,
  readStatusCode,
  readTemporality,
  readTraceId,
  wrong,
  type AnyValue,
  type Reader,
  type Wrong,
} from './otlpValues.ts'

/**
 * The part of OTLP/JSON that is read, as the OpenTelemetry Collector's file exporter and the SDKs'
 * OTLP/HTTP exporters write it.
 *
 * | on the wire | read as |
 * |---|---|
 * | names in lowerCamelCase | by the OTLP specification ("JSON Protobuf Encoding") |
 * | 64-bit integers as decimal strings or numbers | times: bigint nanoseconds since 1970 (a JSON number above 2^53 has already lost precision); counts and integers: numbers |
 * | trace and span ids as hex in either case | lower case; an id of zeros is absent |
 * | enum values as integers or by name | integers |
 * | doubles as numbers or `"NaN"`, `"Infinity"`, `"-Infinity"` | numbers |
 * | `null` | absent; an absent field has protobuf's default: an empty text, an empty id |
 * | unknown fields | dropped, so that a newer protocol can be read |
 *
 * Beyond the specification, since some producers write it: ids as base64, as in protobuf's own JSON
 * (24 and 12 characters instead of 32 and 16), 32-bit integers and enum values as text, and Go's
 * zero time for an absent time.
 *
 * Messages in protobuf are read into the same documents. There times are already bigints, and
 * damaged parts are `unreadable`.
 */

/** Marks a damaged record, or a damaged part with records, in a document from protobuf. */
export const unreadable = Symbol('unreadable')

/** A message that is a record, or contains records: a value of another type gets a clear error. */
const part = <S extends z.core.$ZodLooseShape>(shape: S) =>
  z.object(shape, { error: ({ input }) => (input === unreadable ? 'are damaged' : 'must be objects') })

/** Absent and null are the same in protobuf's JSON. */
const optional = <S extends z.ZodType>(schema: S) => schema.nullish()

const read = <T>(reader: Reader<T>, message: string) =>
  z.custom<unknown>((value) => reader(value) !== wrong, message).transform((value) => taken(reader(value)))

/** For readers that give an absent field a value. */
const readAlways = <T>(reader: Reader<T>, message: string) =>
  z
    .custom<unknown>((value) => reader(value) !== wrong, message)
    .optional()
    .transform((value) => taken(reader(value)))

function taken<T>(value: T | Wrong): T {
  if (value === wrong) throw new TypeError('the value was checked')
  return value
}

const nanoseconds = read(readNanoseconds, 'must be a whole number of nanoseconds, of 20 digits at most')
const integer = read(readInteger, 'must be a whole number')
const count = read(readCount, 'must be a whole number from 0 to 2^53 - 1')
const double = read(readDouble, 'must be a number')
const traceId = readAlways(readTraceId, 'must be 32 hex digits, 24 characters of base64, or empty')
const spanId = readAlways(readSpanId, 'must be 16 hex digits, 12 characters of base64, or empty')
const enumeration = (reader: Reader<number>, prefix: string) => read(reader, `must be a whole number or one of ${prefix}*`)

const anyValue = z.custom<AnyValue>((value) => isAnyValue(value), 'must be an attribute value')
const attributes = readAlways(readAttributes, 'must be a list of keys and values')
const list = <S extends z.ZodType>(schema: S) =>
  z
    .array(schema)
    .nullish()
    .transform((items) => items ?? [])

const resource = z
  .object({ attributes })
  .nullish()
  .transform((value) => value ?? { attributes: [] })
const scope = optional(z.object({ name: z.string().nullish(), version: z.string().nullish() }))

const span = part({
  traceId,
  spanId,
  parentSpanId: spanId,
  name: optional(z.string()),
  kind: optional(enumeration(readSpanKind, 'SPAN_KIND_')),
  startTimeUnixNano: optional(nanoseconds),
  endTimeUnixNano: optional(nanoseconds),
  attributes,
  links: list(z.object({ traceId, spanId })),
  events: list(z.object({ attributes })),
  status: optional(z.object({ code: optional(enumeration(readStatusCode, 'STATUS_CODE_')) })),
})

const logRecord = part({
  timeUnixNano: optional(nanoseconds),
  observedTimeUnixNano: optional(nanoseconds),
  severityNumber: optional(enumeration(readSeverity, 'SEVERITY_NUMBER_')),
  severityText: optional(z.string()),
  eventName: optional(z.string()),
  body: optional(anyValue),
  attributes,
})

const point = {
  attributes,
  startTimeUnixNano: optional(nanoseconds),
  timeUnixNano: optional(nanoseconds),
  flags: optional(integer),
}
const numberPoint = part({ ...point, asDouble: optional(double), asInt: optional(integer) })
const distribution = { ...point, count: optional(count), sum: optional(double), min: optional(double), max: optional(double) }
const histogramPoint = part({ ...distribution, bucketCounts: list(count), explicitBounds: list(double) })
const exponentialBuckets = optional(z.object({ offset: optional(integer), bucketCounts: list(count) }))
const exponentialPoint = part({
  ...distribution,
  scale: optional(integer),
  zeroCount: optional(count),
  positive: exponentialBuckets,
  negative: exponentialBuckets,
})
const summaryPoint = part({
  ...point,
  count: optional(count),
  sum: optional(double),
  quantileValues: list(z.object({ quantile: optional(double), value: optional(double) })),
})
const aggregationTemporality = optional(enumeration(readTemporality, 'AGGREGATION_TEMPORALITY_'))

const metric = part({
  name: z
    .string()
    .nullish()
    .transform((name) => name ?? ''),
  unit: optional(z.string()),
  gauge: optional(z.object({ dataPoints: list(numberPoint) })),
  sum: optional(z.object({ dataPoints: list(numberPoint), aggregationTemporality, isMonotonic: optional(z.boolean()) })),
  histogram: optional(z.object({ dataPoints: list(histogramPoint), aggregationTemporality })),
  exponentialHistogram: optional(z.object({ dataPoints: list(exponentialPoint), aggregationTemporality })),
  summary: optional(z.object({ dataPoints: list(summaryPoint) })),
})

/** One export request: at least one of traces, metrics and logs. */
export const otlpRequest = z
  .object({
    resourceSpans: z.array(part({ resource, scopeSpans: list(part({ scope, spans: list(span) })) })).nullish(),
    resourceMetrics: z.array(part({ resource, scopeMetrics: list(part({ scope, metrics: list(metric) })) })).nullish(),
    resourceLogs: z.array(part({ resource, scopeLogs: list(part({ scope, logRecords: list(logRecord) })) })).nullish(),
  })
  .refine(
    (request) => request.resourceSpans || request.resourceMetrics || request.resourceLogs,
    'must have resourceSpans, resourceMetrics or resourceLogs',
  )

export type OtlpPayload = z.output<typeof otlpRequest>
export type OtlpSpan = z.output<typeof span>
export type OtlpLogRecord = z.output<typeof logRecord>
export type OtlpMetric = z.output<typeof metric>
export type OtlpNumberPoint = z.output<typeof numberPoint>
export type OtlpHistogramPoint = z.output<typeof histogramPoint>
export type OtlpExponentialPoint = z.output<typeof exponentialPoint>
export type OtlpSummaryPoint = z.output<typeof summaryPoint>
/** A point of a metric of any type. */
export type OtlpPoint = OtlpNumberPoint | OtlpHistogramPoint | OtlpExponentialPoint | OtlpSummaryPoint

/** The points of a metric of any type. */
export const pointsOf = (metric: OtlpMetric): readonly OtlpPoint[] =>
  (metric.gauge ?? metric.sum ?? metric.histogram ?? metric.exponentialHistogram ?? metric.summary)?.dataPoints ?? []

/** `aggregationTemporality` of a sum or histogram. */
export const temporality = { unspecified: 0, delta: 1, cumulative: 2 } as const

/** `kind` of a span. */
export const spanKind = { unspecified: 0, internal: 1, server: 2, client: 3, producer: 4, consumer: 5 } as const
