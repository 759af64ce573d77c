import { FieldNames } from './fieldNames.ts'

/**
 * The fields of OTLP's messages that are read, by their numbers in opentelemetry-proto
 * (`trace.proto`, `metrics.proto`, `logs.proto`, `common.proto`, `resource.proto`), with their
 * names in OTLP/JSON.
 *
 * A table is a tenth of the code that a generator writes for these messages, and its results have
 * the form that the checks of OTLP/JSON expect.
 */

/**
 * The type of a field on the wire, and in the document.
 *
 * | | on the wire | in the document |
 * |---|---|---|
 * | `time` | fixed64 | bigint |
 * | `count` | fixed64 | number; text beyond 2^53 |
 * | `signed` | sfixed64 | number; text beyond 2^53 |
 * | `varcount` | uint64 | number; text beyond 2^53 |
 * | `integer` | int64 | text |
 * | `enum` | int32, uint32 | number |
 * | `zigzag` | sint32 | number |
 * | `id8`, `id16` | bytes | hex |
 * | `bytes` | bytes | base64 |
 */
export type Scalar =
  | 'text'
  | 'bytes'
  | 'id8'
  | 'id16'
  | 'boolean'
  | 'double'
  | 'time'
  | 'count'
  | 'signed'
  | 'varcount'
  | 'integer'
  | 'enum'
  | 'zigzag'
  | 'fixed32'

export interface Field {
  readonly number: number
  readonly name: string
  /** The name as the key of an object in JSON. */
  readonly written: Uint8Array
  /** Whether it is a list. */
  readonly repeated: boolean
  /**
   * The type of its content. A function for messages, which may be recursive: values contain
   * values.
   */
  readonly of: Scalar | (() => MessageType)
}

export interface MessageType {
  readonly fields: ReadonlyMap<number, Field>
  /** The same fields, found by the bytes of their names in OTLP/JSON. */
  readonly names: FieldNames<Field>
  /**
   * Which field came after the one with this number the last time, in OTLP/JSON; after 0, first.
   */
  readonly following: (Field | undefined)[]
  /** Whether the message contains records: unknown fields in it may be records. */
  readonly holdsRecords: boolean
  /** Whether a damaged one is refused alone. */
  readonly refusedAlone: boolean
  /** The list that receives the unreadable rest of a damaged one. */
  readonly list: string | undefined
}

type Given = readonly [name: string, of: Field['of'], repeated?: 'list']

function message(fields: Readonly<Record<number, Given>>, kind?: 'part' | 'record', list?: string): MessageType {
  const entries = Object.entries(fields).map(([number, [name, of, repeated]]): [number, Field] => [
    Number(number),
    { number: Number(number), name, written: Buffer.from(`"${name}":`), of, repeated: repeated === 'list' },
  ])
  const names = new FieldNames(entries.map(([, field]) => field))
  return {
    fields: new Map(entries),
    names,
    following: Array.from({ length: 1024 }),
    holdsRecords: kind === 'part',
    refusedAlone: kind !== undefined,
    list,
  }
}

export const anyValue: MessageType = message({
  1: ['stringValue', 'text'],
  2: ['boolValue', 'boolean'],
  3: ['intValue', 'integer'],
  4: ['doubleValue', 'double'],
  5: ['arrayValue', () => anyValues],
  6: ['kvlistValue', () => keyValues],
  7: ['bytesValue', 'bytes'],
})
export const anyValues = message({ 1: ['values', () => anyValue, 'list'] })
export const keyValue: MessageType = message({ 1: ['key', 'text'], 2: ['value', () => anyValue] })
export const keyValues = message({ 1: ['values', () => keyValue, 'list'] })
const attributes = ['attributes', () => keyValue, 'list'] as const

const entityRef = message({
  1: ['schemaUrl', 'text'],
  2: ['type', 'text'],
  3: ['idKeys', 'text', 'list'],
  4: ['descriptionKeys', 'text', 'list'],
})
export const resource = message({ 1: attributes, 3: ['entityRefs', () => entityRef, 'list'] })
export const scope = message({ 1: ['name', 'text'], 2: ['version', 'text'], 3: attributes })

export const link = message({
  1: ['traceId', 'id16'],
  2: ['spanId', 'id8'],
  3: ['traceState', 'text'],
  4: attributes,
  6: ['flags', 'fixed32'],
})
export const event = message({ 1: ['timeUnixNano', 'time'], 2: ['name', 'text'], 3: attributes })
export const status = message({ 2: ['message', 'text'], 3: ['code', 'enum'] })
export const span = message(
  {
    1: ['traceId', 'id16'],
    2: ['spanId', 'id8'],
    3: ['traceState', 'text'],
    4: ['parentSpanId', 'id8'],
    5: ['name', 'text'],
    6: ['kind', 'enum'],
    7: ['startTimeUnixNano', 'time'],
    8: ['endTimeUnixNano', 'time'],
    9: attributes,
    11: ['events', () => event, 'list'],
    13: ['links', () => link, 'list'],
    15: ['status', () => status],
    16: ['flags', 'fixed32'],
  },
  'record',
)

export const logRecord = message(
  {
    1: ['timeUnixNano', 'time'],
    2: ['severityNumber', 'enum'],
    3: ['severityText', 'text'],
    5: ['body', () => anyValue],
    6: attributes,
    8: ['flags', 'fixed32'],
    9: ['traceId', 'id16'],
    10: ['spanId', 'id8'],
    11: ['observedTimeUnixNano', 'time'],
    12: ['eventName', 'text'],
  },
  'record',
)

const pointTimes = { 2: ['startTimeUnixNano', 'time'], 3: ['timeUnixNano', 'time'] } as const
export const numberPoint = message(
  { ...pointTimes, 4: ['asDouble', 'double'], 6: ['asInt', 'signed'], 7: attributes, 8: ['flags', 'enum'] },
  'record',
)
export const histogramPoint = message(
  {
    ...pointTimes,
    4: ['count', 'count'],
    5: ['sum', 'double'],
    6: ['bucketCounts', 'count', 'list'],
    7: ['explicitBounds', 'double', 'list'],
    9: attributes,
    10: ['flags', 'enum'],
    11: ['min', 'double'],
    12: ['max', 'double'],
  },
  'record',
)
export const buckets = message({ 1: ['offset', 'zigzag'], 2: ['bucketCounts', 'varcount', 'list'] })
export const exponentialPoint = message(
  {
    1: attributes,
    ...pointTimes,
    4: ['count', 'count'],
    5: ['sum', 'double'],
    6: ['scale', 'zigzag'],
    7: ['zeroCount', 'count'],
    8: ['positive', () => buckets],
    9: ['negative', () => buckets],
    10: ['flags', 'enum'],
    12: ['min', 'double'],
    13: ['max', 'double'],
    14: ['zeroThreshold', 'double'],
  },
  'record',
)
export const quantile = message({ 1: ['quantile', 'double'], 2: ['value', 'double'] })
export const summaryPoint = message(
  {
    ...pointTimes,
    4: ['count', 'count'],
    5: ['sum', 'double'],
    6: ['quantileValues', () => quantile, 'list'],
    7: attributes,
    8: ['flags', 'enum'],
  },
  'record',
)

const dataPoints = (point: MessageType) => ['dataPoints', () => point, 'list'] as const
const aggregationTemporality = ['aggregationTemporality', 'enum'] as const
export const gauge = message({ 1: dataPoints(numberPoint) })
export const sum = message({ 1: dataPoints(numberPoint), 2: aggregationTemporality, 3: ['isMonotonic', 'boolean'] })
export const histogram = message({ 1: dataPoints(histogramPoint), 2: aggregationTemporality })
export const exponentialHistogram = message({ 1: dataPoints(exponentialPoint), 2: aggregationTemporality })
export const summary = message({ 1: dataPoints(summaryPoint) })
export const metric = message(
  {
    1: ['name', 'text'],
    2: ['description', 'text'],
    3: ['unit', 'text'],
    5: ['gauge', () => gauge],
    7: ['sum', () => sum],
    9: ['histogram', () => histogram],
    10: ['exponentialHistogram', () => exponentialHistogram],
    11: ['summary', () => summary],
    12: ['metadata', () => keyValue, 'list'],
  },
  'part',
)

/** The scope's and the resource's part of a request have the same field numbers for all signals. */
function parts(scopeList: string, olderScopeList: string, recordList: string, record: MessageType) {
  const scopePart = message(
    { 1: ['scope', () => scope], 2: [recordList, () => record, 'list'], 3: ['schemaUrl', 'text'] },
    'part',
    recordList,
  )
  const part = message(
    {
      1: ['resource', () => resource],
      2: [scopeList, () => scopePart, 'list'],
      3: ['schemaUrl', 'text'],
      1000: [olderScopeList, () => scopePart, 'list'],
    },
    'part',
    scopeList,
  )
  return { part, scopePart }
}

/** For each signal, the name of an export request's list and the type of its members. */
export const signals = {
  traces: { list: 'resourceSpans', ...parts('scopeSpans', 'instrumentationLibrarySpans', 'spans', span) },
  metrics: { list: 'resourceMetrics', ...parts('scopeMetrics', 'instrumentationLibraryMetrics', 'metrics', metric) },
  logs: { list: 'resourceLogs', ...parts('scopeLogs', 'instrumentationLibraryLogs', 'logRecords', logRecord) },
} as const
export type Signal = keyof typeof signals

/** An export request in JSON. In protobuf the lists of all signals have the number 1. */
export const exportRequest = message({
  1: [signals.traces.list, () => signals.traces.part, 'list'],
  2: [signals.metrics.list, () => signals.metrics.part, 'list'],
  3: [signals.logs.list, () => signals.logs.part, 'list'],
})
