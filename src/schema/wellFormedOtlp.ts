import type {
  OtlpExponentialPoint,
  OtlpHistogramPoint,
  OtlpLogRecord,
  OtlpMetric,
  OtlpNumberPoint,
  OtlpPayload,
  OtlpSpan,
  OtlpSummaryPoint,
} from './otlp.ts'
import {
  isAnyValue,
  isObject,
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
 * Reads a document without faults as the schema `otlpRequest` does, and faster, since most
 * documents have none.
 *
 * @returns undefined if there is a fault: the schema names it.
 */
export function wellFormedPayload(document: unknown): OtlpPayload | undefined {
  try {
    return payload(document)
  } catch (error) {
    if (error === fault) return undefined
    throw error
  }
}

const fault = new Error('the document has a fault')

function payload(document: unknown): OtlpPayload {
  const { resourceSpans, resourceMetrics, resourceLogs } = fieldsOf(document)
  if (resourceSpans == null && resourceMetrics == null && resourceLogs == null) throw fault
  const read: OtlpPayload = {}
  if (resourceSpans !== undefined) read.resourceSpans = resourceSpans === null ? null : list(resourceSpans, spansOfResource)
  if (resourceMetrics !== undefined) read.resourceMetrics = resourceMetrics === null ? null : list(resourceMetrics, metricsOfResource)
  if (resourceLogs !== undefined) read.resourceLogs = resourceLogs === null ? null : list(resourceLogs, logsOfResource)
  return read
}

function spansOfResource(value: unknown) {
  const part = fieldsOf(value)
  return { resource: resourceOf(part['resource']), scopeSpans: list(part['scopeSpans'], spansOfScope) }
}

function metricsOfResource(value: unknown) {
  const part = fieldsOf(value)
  return { resource: resourceOf(part['resource']), scopeMetrics: list(part['scopeMetrics'], metricsOfScope) }
}

function logsOfResource(value: unknown) {
  const part = fieldsOf(value)
  return { resource: resourceOf(part['resource']), scopeLogs: list(part['scopeLogs'], logsOfScope) }
}

function spansOfScope(value: unknown) {
  const part = fieldsOf(value)
  return { scope: scopeOf(part['scope']), spans: list(part['spans'], span) }
}

function metricsOfScope(value: unknown) {
  const part = fieldsOf(value)
  return { scope: scopeOf(part['scope']), metrics: list(part['metrics'], metric) }
}

function logsOfScope(value: unknown) {
  const part = fieldsOf(value)
  return { scope: scopeOf(part['scope']), logRecords: list(part['logRecords'], logRecord) }
}

const resourceOf = (value: unknown) => (value == null ? { attributes: [] } : attributed(value))

function scopeOf(value: unknown) {
  if (value == null) return value
  const { name, version } = fieldsOf(value)
  return { name: text(name), version: text(version) }
}

const attributed = (value: unknown) => ({ attributes: checked(readAttributes(fieldsOf(value)['attributes'])) })

function span(value: unknown): OtlpSpan {
  const fields = fieldsOf(value)
  return {
    traceId: checked(readTraceId(fields['traceId'])),
    spanId: checked(readSpanId(fields['spanId'])),
    parentSpanId: checked(readSpanId(fields['parentSpanId'])),
    name: text(fields['name']),
    kind: optional(fields['kind'], readSpanKind),
    startTimeUnixNano: optional(fields['startTimeUnixNano'], readNanoseconds),
    endTimeUnixNano: optional(fields['endTimeUnixNano'], readNanoseconds),
    attributes: checked(readAttributes(fields['attributes'])),
    links: list(fields['links'], link),
    events: list(fields['events'], attributed),
    status: status(fields['status']),
  }
}

function link(value: unknown) {
  const { traceId, spanId } = fieldsOf(value)
  return { traceId: checked(readTraceId(traceId)), spanId: checked(readSpanId(spanId)) }
}

const status = (value: unknown) => (value == null ? value : { code: optional(fieldsOf(value)['code'], readStatusCode) })

function logRecord(value: unknown): OtlpLogRecord {
  const fields = fieldsOf(value)
  return {
    timeUnixNano: optional(fields['timeUnixNano'], readNanoseconds),
    observedTimeUnixNano: optional(fields['observedTimeUnixNano'], readNanoseconds),
    severityNumber: optional(fields['severityNumber'], readSeverity),
    severityText: text(fields['severityText']),
    eventName: text(fields['eventName']),
    body: optional(fields['body'], readAnyValue),
    attributes: checked(readAttributes(fields['attributes'])),
  }
}

function metric(value: unknown): OtlpMetric {
  const { name, unit, gauge, sum, histogram, exponentialHistogram, summary } = fieldsOf(value)
  return {
    name: text(name) ?? '',
    unit: text(unit),
    gauge: gauge == null ? gauge : { dataPoints: list(fieldsOf(gauge)['dataPoints'], numberPoint) },
    sum: sum == null ? sum : sumOf(fieldsOf(sum)),
    histogram: histogram == null ? histogram : distribution(fieldsOf(histogram), histogramPoint),
    exponentialHistogram:
      exponentialHistogram == null ? exponentialHistogram : distribution(fieldsOf(exponentialHistogram), exponentialPoint),
    summary: summary == null ? summary : { dataPoints: list(fieldsOf(summary)['dataPoints'], summaryPoint) },
  }
}

function sumOf({ dataPoints, aggregationTemporality, isMonotonic }: Fields) {
  if (isMonotonic != null && typeof isMonotonic !== 'boolean') throw fault
  return {
    dataPoints: list(dataPoints, numberPoint),
    aggregationTemporality: optional(aggregationTemporality, readTemporality),
    isMonotonic,
  }
}

const distribution = <Point>({ dataPoints, aggregationTemporality }: Fields, point: (value: unknown) => Point) => ({
  dataPoints: list(dataPoints, point),
  aggregationTemporality: optional(aggregationTemporality, readTemporality),
})

function numberPoint(value: unknown): OtlpNumberPoint {
  const fields = fieldsOf(value)
  return {
    attributes: checked(readAttributes(fields['attributes'])),
    startTimeUnixNano: optional(fields['startTimeUnixNano'], readNanoseconds),
    timeUnixNano: optional(fields['timeUnixNano'], readNanoseconds),
    flags: optional(fields['flags'], readInteger),
    asDouble: optional(fields['asDouble'], readDouble),
    asInt: optional(fields['asInt'], readInteger),
  }
}

function histogramPoint(value: unknown): OtlpHistogramPoint {
  const fields = fieldsOf(value)
  return {
    ...distributionPoint(fields),
    bucketCounts: list(fields['bucketCounts'], count),
    explicitBounds: list(fields['explicitBounds'], double),
  }
}

function exponentialPoint(value: unknown): OtlpExponentialPoint {
  const fields = fieldsOf(value)
  return {
    ...distributionPoint(fields),
    scale: optional(fields['scale'], readInteger),
    zeroCount: optional(fields['zeroCount'], readCount),
    positive: buckets(fields['positive']),
    negative: buckets(fields['negative']),
  }
}

const distributionPoint = (fields: Fields) => ({
  attributes: checked(readAttributes(fields['attributes'])),
  startTimeUnixNano: optional(fields['startTimeUnixNano'], readNanoseconds),
  timeUnixNano: optional(fields['timeUnixNano'], readNanoseconds),
  flags: optional(fields['flags'], readInteger),
  count: optional(fields['count'], readCount),
  sum: optional(fields['sum'], readDouble),
  min: optional(fields['min'], readDouble),
  max: optional(fields['max'], readDouble),
})

function buckets(value: unknown) {
  if (value == null) return value
  const { offset, bucketCounts } = fieldsOf(value)
  return { offset: optional(offset, readInteger), bucketCounts: list(bucketCounts, count) }
}

function summaryPoint(value: unknown): OtlpSummaryPoint {
  const fields = fieldsOf(value)
  return {
    attributes: checked(readAttributes(fields['attributes'])),
    startTimeUnixNano: optional(fields['startTimeUnixNano'], readNanoseconds),
    timeUnixNano: optional(fields['timeUnixNano'], readNanoseconds),
    flags: optional(fields['flags'], readInteger),
    count: optional(fields['count'], readCount),
    sum: optional(fields['sum'], readDouble),
    quantileValues: list(fields['quantileValues'], quantileValue),
  }
}

function quantileValue(given: unknown) {
  const { quantile, value } = fieldsOf(given)
  return { quantile: optional(quantile, readDouble), value: optional(value, readDouble) }
}

type Fields = Record<string, unknown>

function fieldsOf(value: unknown): Fields {
  if (!isObject(value)) throw fault
  return value
}

function list<T>(values: unknown, read: (value: unknown) => T): T[] {
  if (values == null) return []
  if (!Array.isArray(values)) throw fault
  return values.map((value) => read(value))
}

function checked<T>(value: T | Wrong): T {
  if (value === wrong) throw fault
  return value
}

const optional = <T>(value: unknown, read: Reader<T>): T | null | undefined => (value == null ? value : checked(read(value)))

function text(value: unknown): string | null | undefined {
  if (value != null && typeof value !== 'string') throw fault
  return value
}

const count = (value: unknown) => checked(readCount(value))
const double = (value: unknown) => checked(readDouble(value))
const readAnyValue: Reader<AnyValue> = (value) => (isAnyValue(value) ? value : wrong)
