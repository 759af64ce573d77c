/**
 * What is in a recording: records per signal, and how each caller fared with each callee, period by period.
 *
 *     node examples/shop/inspect.ts examples/shop/recordings/incident.jsonl.gz --split 40,50
 *
 * Calls are pairs of spans joined by parent span id across services; the split is in minutes after the first span.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { parseArgs } from 'node:util'
import { createGunzip } from 'node:zlib'

interface Attribute {
  readonly key: string
  readonly value: { readonly stringValue?: string; readonly intValue?: number | string }
}
interface Span {
  readonly traceId: string
  readonly spanId: string
  readonly parentSpanId?: string
  readonly name: string
  readonly kind: number
  readonly startTimeUnixNano: string
  readonly endTimeUnixNano: string
  readonly attributes: readonly Attribute[]
  readonly status?: { readonly code?: number }
}
interface LogRecord {
  readonly timeUnixNano: string
  readonly severityText?: string
  readonly body?: { readonly stringValue?: string }
}
interface Resource {
  readonly attributes: readonly Attribute[]
}
interface Line {
  readonly resourceSpans?: ReadonlyArray<{ resource: Resource; scopeSpans: ReadonlyArray<{ spans: readonly Span[] }> }>
  readonly resourceMetrics?: ReadonlyArray<{
    resource: Resource
    scopeMetrics: ReadonlyArray<{ metrics: ReadonlyArray<{ name: string } & Record<string, unknown>> }>
  }>
  readonly resourceLogs?: ReadonlyArray<{ resource: Resource; scopeLogs: ReadonlyArray<{ logRecords: readonly LogRecord[] }> }>
}
interface Call {
  readonly edge: string
  readonly startMs: number
  readonly durationMs: number
  readonly failed: boolean
}

const CLIENT = 3
const PRODUCER = 4
const ERROR = 2

const { values, positionals } = parseArgs({ options: { split: { type: 'string', default: '' } }, allowPositionals: true })
const [path] = positionals
if (path === undefined) throw new Error('which recording? Give the path of a .jsonl.gz file.')

const spans: Array<Span & { service: string }> = []
const logs: Array<LogRecord & { service: string }> = []
const metricNames = new Map<string, string>()
const counts = { lines: 0, spans: 0, 'metric points': 0, logs: 0 }

for await (const text of createInterface({ input: createReadStream(path).pipe(createGunzip()), crlfDelay: Infinity })) {
  const line = JSON.parse(text) as Line
  counts.lines++
  for (const { resource, scopeSpans } of line.resourceSpans ?? [])
    for (const scope of scopeSpans) for (const span of scope.spans) spans.push({ ...span, service: serviceOf(resource) })
  for (const { resource, scopeLogs } of line.resourceLogs ?? [])
    for (const scope of scopeLogs) for (const record of scope.logRecords) logs.push({ ...record, service: serviceOf(resource) })
  for (const { scopeMetrics } of line.resourceMetrics ?? [])
    for (const scope of scopeMetrics)
      for (const metric of scope.metrics) {
        const kind = Object.keys(metric).find((key) => Array.isArray((metric[key] as { dataPoints?: unknown }).dataPoints))
        if (kind === undefined) continue
        const data = metric[kind] as { dataPoints: unknown[]; aggregationTemporality?: number }
        counts['metric points'] += data.dataPoints.length
        metricNames.set(`${metric.name} ${kind} ${['', 'delta', 'cumulative'][data.aggregationTemporality ?? 0] ?? ''}`, metric.name)
      }
}
counts.spans = spans.length
counts.logs = logs.length

const start = spans.reduce((earliest, span) => Math.min(earliest, milliseconds(span.startTimeUnixNano)), Infinity)
const splits = values.split.split(',').filter(Boolean).map(Number)
const periodOf = (timeMs: number): number => splits.filter((minute) => timeMs >= start + minute * 60_000).length

console.log(path, new Date(start).toISOString(), splits.map((minute, index) => `${'BCDEFGH'[index]}: from minute ${minute}`).join(', '))
console.table(counts)

const byId = new Map(spans.map((span) => [span.traceId + span.spanId, span]))
const parents = new Set(spans.map((span) => span.traceId + (span.parentSpanId ?? '')))
const orphans = spans.filter((span) => span.parentSpanId && !byId.has(span.traceId + span.parentSpanId)).length
const unanswered = spans.filter((span) => isRemoteCall(span) && !isDatabase(span) && !parents.has(span.traceId + span.spanId)).length
console.log(`${orphans} spans whose parent is not in the recording, ${unanswered} calls whose answering span is not`)

console.table(
  [...Map.groupBy(calls(), ({ edge }) => edge)]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([edge, all]) => {
      const row: Record<string, string | number> = { edge }
      for (let period = 0; period <= splits.length; period++) {
        const some = all.filter(({ startMs }) => periodOf(startMs) === period)
        const suffix = splits.length === 0 ? '' : ` ${'ABCDEFGH'[period]}`
        row[`calls${suffix}`] = some.length
        row[`p95 ms${suffix}`] = percentile(some, 0.95)
        row[`errors %${suffix}`] =
          some.length === 0 ? 0 : Number(((100 * some.filter(({ failed }) => failed).length) / some.length).toFixed(1))
      }
      return row
    }),
)

const patterns = Map.groupBy(
  logs,
  ({ service, severityText, body }) => `${service} ${severityText}: ${maskNumbers(body?.stringValue ?? '')}`,
)
console.table(
  [...patterns].map(([pattern, records]) => ({
    pattern,
    count: records.length,
    'first seen (min)': Number(((Math.min(...records.map(({ timeUnixNano }) => milliseconds(timeUnixNano))) - start) / 60_000).toFixed(1)),
  })),
)
console.log([...metricNames.keys()].sort().join('\n'))

/** Every remote call as its caller saw it. */
function* calls(): Generator<Call> {
  for (const span of spans) {
    const parent = byId.get(span.traceId + (span.parentSpanId ?? ''))
    const answers = parent !== undefined && parent.service !== span.service
    const caller = answers ? parent : isDatabase(span) ? span : undefined
    const isEntry = span.parentSpanId === undefined || span.parentSpanId === ''
    if (caller === undefined && !isEntry) continue
    const seen = caller ?? span
    const callee = isDatabase(span) ? 'postgresql' : span.service
    yield {
      edge: `${caller?.service ?? '(customer)'} -> ${callee}${caller?.kind === PRODUCER ? ' (queue)' : ''}`,
      startMs: milliseconds(seen.startTimeUnixNano),
      durationMs: milliseconds(seen.endTimeUnixNano) - milliseconds(seen.startTimeUnixNano),
      failed: seen.status?.code === ERROR,
    }
  }
}

function isRemoteCall({ kind }: Span): boolean {
  return kind === CLIENT || kind === PRODUCER
}

function isDatabase({ attributes }: Span): boolean {
  return attributes.some(({ key }) => key === 'db.system.name' || key === 'db.system')
}

function serviceOf({ attributes }: Resource): string {
  return attributes.find(({ key }) => key === 'service.name')?.value.stringValue ?? '?'
}

function milliseconds(unixNano: string): number {
  return Number(BigInt(unixNano) / 1000n) / 1000
}

function maskNumbers(text: string): string {
  return text.replaceAll(/\b(?=[\w.-]*\d)[\w.-]+/g, '#')
}

function percentile(some: readonly Call[], rank: number): number {
  const durations = some.map(({ durationMs }) => durationMs).sort((a, b) => a - b)
  return Math.round(durations[Math.ceil(rank * durations.length) - 1] ?? 0)
}
