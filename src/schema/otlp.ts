import { z } from 'zod'

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

// Each of these is one check and at most one conversion: a request has tens of thousands of them,
// and unions and chains of schemas allocate too much.
const integerText = /^-?\d{1,20}$/
const naturalText = /^\d{1,20}$/
const doubleText = /^(?:-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|NaN|-?Infinity)$/
const written = (text: RegExp, isNumber: (value: number) => boolean, message: string) =>
  z.custom<string | number>(
    (value) => (typeof value === 'string' ? text.test(value) : typeof value === 'number' && isNumber(value)),
    message,
  )
const isNatural = (value: number) => Number.isInteger(value) && value >= 0 && value < 2 ** 64

/**
 * Go's value for a time that was never set: year 1, wrapped around in 64 bits, signed or unsigned.
 */
const goZeroTimes: ReadonlySet<bigint> = new Set([-6795364578871345152n, 11651379494838206464n])
const nanosecondsText = /^(?:\d{1,20}|-6795364578871345152)$/

const nanoseconds = z
  .custom<string | number | bigint>(
    (value) =>
      typeof value === 'bigint' ||
      (typeof value === 'string' ? nanosecondsText.test(value) : typeof value === 'number' && isNatural(value)),
    'must be a whole number of nanoseconds, of 20 digits at most',
  )
  .transform((value) => {
    const time = BigInt(value)
    return goZeroTimes.has(time) ? 0n : time
  })
const integer = written(integerText, Number.isInteger, 'must be a whole number').transform(Number)
const count = z
  .custom<string | number>((value) => {
    const number = typeof value === 'string' && naturalText.test(value) ? Number(value) : value
    return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0
  }, 'must be a whole number from 0 to 2^53 - 1')
  .transform(Number)
const double = written(doubleText, () => true, 'must be a number').transform(Number)

const hexText = /^[0-9a-fA-F]*$/
const zeros = /^0+$/
const base64Text = /^[A-Za-z0-9+/]+=*$/

/** An id of this many bytes, in hex; an id of zeros is absent. */
const id = (bytes: 8 | 16) => {
  const digits = bytes * 2
  const characters = Math.ceil(bytes / 3) * 4
  const isId = (value: string) =>
    value === '' || (value.length === digits && hexText.test(value)) || (value.length === characters && base64Text.test(value))
  return z
    .custom<string | null | undefined>(
      (value) => value == null || (typeof value === 'string' && isId(value)),
      `must be ${digits} hex digits, ${characters} characters of base64, or empty`,
    )
    .optional()
    .transform((value) => {
      const hex = value?.length === characters ? Buffer.from(value, 'base64').toString('hex') : (value ?? '').toLowerCase()
      return zeros.test(hex) ? '' : hex
    })
}

const named = (prefix: string, names: readonly string[]) => {
  const numbers = new Map(names.map((name, number) => [prefix + name, number]))
  return z
    .custom<string | number>(
      (value) => (typeof value === 'string' ? numbers.has(value) || integerText.test(value) : Number.isInteger(value)),
      `must be a whole number or one of ${prefix}*`,
    )
    .transform((value) => (typeof value === 'string' ? (numbers.get(value) ?? Number(value)) : value))
}

/** A value in OTLP/JSON; at most one field is set, and none means empty. */
export interface AnyValue {
  stringValue?: string | null
  boolValue?: boolean | null
  intValue?: string | number | null
  doubleValue?: string | number | null
  bytesValue?: string | null
  arrayValue?: { values?: AnyValue[] | null } | null
  kvlistValue?: { values?: KeyValue[] | null } | null
}
export interface KeyValue {
  /** Absent if it is empty. */
  key?: string | null
  value?: AnyValue | null
}

/**
 * Attributes nest without a limit in the protocol; nesting deeper than this is an attack on the
 * stack.
 */
const maxDepth = 64

// Attributes are checked in place, without the copy that a schema makes: they are most of every
// request, and most of them are never read.
function isAnyValue(value: unknown, depth = 0): value is AnyValue {
  if (!isObject(value) || depth > maxDepth) return false
  const { stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue } = value
  return (
    (stringValue == null || typeof stringValue === 'string') &&
    (boolValue == null || typeof boolValue === 'boolean') &&
    (intValue == null || typeof intValue === 'string' || typeof intValue === 'number') &&
    (doubleValue == null || typeof doubleValue === 'string' || typeof doubleValue === 'number') &&
    (bytesValue == null || typeof bytesValue === 'string') &&
    (arrayValue == null || (isObject(arrayValue) && isListOf(arrayValue['values'], (item) => isAnyValue(item, depth + 1)))) &&
    (kvlistValue == null || (isObject(kvlistValue) && isListOf(kvlistValue['values'], (item) => isKeyValue(item, depth + 1))))
  )
}

function isKeyValue(item: unknown, depth = 0): item is KeyValue {
  return (
    isObject(item) &&
    (item['key'] == null || typeof item['key'] === 'string') &&
    (item['value'] == null || isAnyValue(item['value'], depth))
  )
}

const isObject = (value: unknown): value is Record<string, unknown> => typeof value === 'object' && value !== null && !Array.isArray(value)
const isListOf = (list: unknown, isItem: (item: unknown) => boolean) => list == null || (Array.isArray(list) && list.every(isItem))

const anyValue = z.custom<AnyValue>((value) => isAnyValue(value), 'must be an attribute value')
const attributes = z
  .custom<KeyValue[] | null | undefined>((list) => isListOf(list, (item) => isKeyValue(item)), 'must be a list of keys and values')
  .optional()
  .transform((list) => list ?? [])
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
  traceId: id(16),
  spanId: id(8),
  parentSpanId: id(8),
  name: optional(z.string()),
  kind: optional(named('SPAN_KIND_', ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'])),
  startTimeUnixNano: optional(nanoseconds),
  endTimeUnixNano: optional(nanoseconds),
  attributes,
  links: list(z.object({ traceId: id(16), spanId: id(8) })),
  events: list(z.object({ attributes })),
  status: optional(z.object({ code: optional(named('STATUS_CODE_', ['UNSET', 'OK', 'ERROR'])) })),
})

const severities = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].flatMap((name) => [name, `${name}2`, `${name}3`, `${name}4`])

const logRecord = part({
  timeUnixNano: optional(nanoseconds),
  observedTimeUnixNano: optional(nanoseconds),
  severityNumber: optional(named('SEVERITY_NUMBER_', ['UNSPECIFIED', ...severities])),
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
const aggregationTemporality = optional(named('AGGREGATION_TEMPORALITY_', ['UNSPECIFIED', 'DELTA', 'CUMULATIVE']))

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
