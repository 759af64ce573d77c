import fc from 'fast-check'
import { unreadable } from '../../../src/schema/otlp.ts'

/** Most of the time a right value, now and then none, and seldom any value. */
const field = (right: fc.Arbitrary<unknown>) =>
  fc.oneof({ weight: 60, arbitrary: right }, { weight: 6, arbitrary: fc.constantFrom(undefined, null) }, { weight: 1, arbitrary: stranger })

const stranger = fc.oneof(
  fc.constantFrom<unknown>(unreadable, {}, [], '', 'x', ' 1', '0x1', -1, 1.5, NaN, 2 ** 64, true, [null], { a: 1 }, 5n),
  fc.anything(),
)

/** An object with these fields, some of them left out. */
const message = (fields: Record<string, fc.Arbitrary<unknown>>) =>
  fc.record(Object.fromEntries(Object.entries(fields).map(([name, right]) => [name, field(right)])), { requiredKeys: [] })

const list = (member: fc.Arbitrary<unknown>) => fc.array(field(member), { maxLength: 3 })

const nanoseconds = fc.oneof(
  fc.bigInt(0n, 2n ** 64n - 1n),
  fc.bigInt(0n, 2n ** 64n - 1n).map(String),
  fc.nat(),
  fc.constantFrom('-6795364578871345152', '11651379494838206464', '00000000000000000001', '123456789012345678901'),
)
const whole = fc.oneof(
  fc.integer(),
  fc.integer().map(String),
  fc.constantFrom('007', '-0', '99999999999999999999', 2 ** 53, '9007199254740993'),
)
const double = fc.oneof(fc.double(), fc.double().map(String), fc.constantFrom('NaN', '-Infinity', '1e5', '1E-3', '1.'))
const hex = (digits: number) =>
  fc.array(fc.constantFrom(...Array.from('0123456789abcdefABCDEF')), { minLength: digits, maxLength: digits }).map((all) => all.join(''))
const id = (bytes: number) =>
  fc.oneof(
    hex(bytes * 2),
    hex(bytes),
    fc.uint8Array({ minLength: bytes, maxLength: bytes }).map((all) => Buffer.from(all).toString('base64')),
    fc.constantFrom('', '0'.repeat(bytes * 2), Buffer.alloc(bytes).toString('base64')),
  )
const enumeration = (...names: string[]) => fc.oneof(fc.nat(30), fc.constantFrom(...names, '3', '-1', 'SPAN_KIND_'))

const { anyValue, keyValue } = fc.letrec((tie) => ({
  anyValue: message({
    stringValue: fc.string(),
    boolValue: fc.boolean(),
    intValue: fc.oneof(fc.integer(), fc.string()),
    doubleValue: double,
    bytesValue: fc.base64String(),
    arrayValue: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.constant({}), message({ values: list(tie('anyValue')) })),
    kvlistValue: fc.oneof({ depthSize: 'small', withCrossShrink: true }, fc.constant({}), message({ values: list(tie('keyValue')) })),
  }),
  keyValue: message({ key: fc.string(), value: tie('anyValue') }),
}))
const attributes = list(keyValue)
const resource = message({ attributes })
const scope = message({ name: fc.string(), version: fc.string(), attributes })

const span = message({
  traceId: id(16),
  spanId: id(8),
  parentSpanId: id(8),
  name: fc.string(),
  kind: enumeration('SPAN_KIND_SERVER', 'SPAN_KIND_CLIENT', 'SERVER'),
  startTimeUnixNano: nanoseconds,
  endTimeUnixNano: nanoseconds,
  attributes,
  links: list(message({ traceId: id(16), spanId: id(8), attributes })),
  events: list(message({ name: fc.string(), attributes })),
  status: message({ code: enumeration('STATUS_CODE_ERROR'), message: fc.string() }),
  flags: whole,
})
const logRecord = message({
  timeUnixNano: nanoseconds,
  observedTimeUnixNano: nanoseconds,
  severityNumber: enumeration('SEVERITY_NUMBER_WARN2', 'WARN'),
  severityText: fc.string(),
  eventName: fc.string(),
  body: anyValue,
  attributes,
})
const point = { attributes, startTimeUnixNano: nanoseconds, timeUnixNano: nanoseconds, flags: whole }
const numberPoint = message({ ...point, asDouble: double, asInt: whole })
const distribution = { ...point, count: whole, sum: double, min: double, max: double }
const buckets = message({ offset: whole, bucketCounts: list(whole) })
const temporality = enumeration('AGGREGATION_TEMPORALITY_DELTA')
const metric = message({
  name: fc.string(),
  unit: fc.string(),
  gauge: message({ dataPoints: list(numberPoint) }),
  sum: message({ dataPoints: list(numberPoint), aggregationTemporality: temporality, isMonotonic: fc.boolean() }),
  histogram: message({
    dataPoints: list(message({ ...distribution, bucketCounts: list(whole), explicitBounds: list(double) })),
    aggregationTemporality: temporality,
  }),
  exponentialHistogram: message({
    dataPoints: list(message({ ...distribution, scale: whole, zeroCount: whole, positive: buckets, negative: buckets })),
    aggregationTemporality: temporality,
  }),
  summary: message({
    dataPoints: list(message({ ...point, count: whole, sum: double, quantileValues: list(message({ quantile: double, value: double })) })),
  }),
})
const parts = (scopes: string, records: string, record: fc.Arbitrary<unknown>) =>
  list(message({ resource, [scopes]: list(message({ scope, [records]: list(record), schemaUrl: fc.string() })) }))
/** Any export request in OTLP/JSON: most are right, some have a fault. */
export const anyRequest = message({
  resourceSpans: parts('scopeSpans', 'spans', span),
  resourceMetrics: parts('scopeMetrics', 'metrics', metric),
  resourceLogs: parts('scopeLogs', 'logRecords', logRecord),
})
