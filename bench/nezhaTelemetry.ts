import { cellNumber } from './csv.ts'

/** A row of one of the dataset's files, by the names of its columns. */
export type CsvRow = Readonly<Record<string, string | undefined>>

/** A pod's service: its name without what a replica set and a pod add, `ts-food-service-f5756978c-6sb8t` or `mysql-0`. */
export const serviceOf = (pod: string): string => pod.replace(/(-[a-z0-9]{5,10}-[a-z0-9]{5}|-\d+)$/, '')

/** Log records a request: a minute has a thousand or two. */
const batch = 1_000

/**
 * Log records as export requests, with the severity that their text states; and the spans in which an error was logged: the files of spans say nothing of
 * how a span ended.
 */
export function logLines(rows: Iterable<CsvRow>): { lines: string[]; failed: Set<string> } {
  const failed = new Set<string>()
  const records = [...rows].map((row) => {
    const message = messageOf(row['Log'] ?? '')
    const severity = severityIn(message)
    const [traceId, spanId] = [hexId(row['TraceID'], 32), hexId(row['SpanID'], 16)]
    if ((severity === 'ERROR' || severity === 'FATAL') && spanId !== '') failed.add(traceId + spanId)
    return {
      pod: row['PodName'] ?? '',
      record: { timeUnixNano: row['TimeUnixNano'], severityText: severity, body: { stringValue: message }, traceId, spanId },
    }
  })
  const lines: string[] = []
  for (let at = 0; at < records.length; at += batch) {
    const pods = Map.groupBy(records.slice(at, at + batch), ({ pod }) => pod)
    lines.push(
      request({
        resourceLogs: [...pods].map(([pod, ofPod]) => ({
          resource: resourceOf(pod),
          scopeLogs: [{ logRecords: ofPod.map(({ record }) => record) }],
        })),
      }),
    )
  }
  return { lines, failed }
}

/** The severity that a line states: a field of its own where it is JSON, else a word in capitals. */
function severityIn(message: string): string | undefined {
  const [, field] = /"(?:severity|level)"\s*:\s*"([A-Za-z]+)"/.exec(message) ?? []
  return field?.toUpperCase() ?? /\b(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL)\b/.exec(message)?.[0]
}

/** What was logged, out of the container runtime's envelope. */
function messageOf(log: string): string {
  try {
    const envelope = JSON.parse(log) as { log?: unknown }
    if (typeof envelope.log === 'string') return envelope.log.trimEnd()
  } catch {
    // Logged without one.
  }
  return log
}

/**
 * Spans as one export request. Their kinds are not in the files and follow from where they ran: a span whose parent ran in another pod, or that has none, served
 * it, and its parent called; where their names are those of messaging (`orders send`, `orders process`), one produced and the other consumed.
 */
export function spanLine(rows: readonly CsvRow[], failed: ReadonlySet<string>): string {
  const pods = new Map(rows.map((row) => [`${row['TraceID']} ${row['SpanID']}`, row['PodName']]))
  const callers = new Set<string>()
  const served = (row: CsvRow) => {
    const parent = `${row['TraceID']} ${row['ParentID']}`
    const pod = pods.get(parent)
    if (pod !== undefined && pod !== row['PodName']) callers.add(parent)
    return isRoot(row) || (pod !== undefined && pod !== row['PodName'])
  }
  const servers = new Set(rows.filter(served))
  const kindOf = (row: CsvRow) => {
    const name = row['OperationName'] ?? ''
    if (servers.has(row)) return / (?:process|receive)$/.test(name) ? 'SPAN_KIND_CONSUMER' : 'SPAN_KIND_SERVER'
    if (!callers.has(`${row['TraceID']} ${row['SpanID']}`)) return 'SPAN_KIND_INTERNAL'
    return / (?:send|publish)$/.test(name) ? 'SPAN_KIND_PRODUCER' : 'SPAN_KIND_CLIENT'
  }
  return request({
    resourceSpans: [...Map.groupBy(rows, (row) => row['PodName'] ?? '')].map(([pod, ofPod]) => ({
      resource: resourceOf(pod),
      scopeSpans: [
        {
          spans: ofPod.map((row) => {
            const [traceId, spanId] = [hexId(row['TraceID'], 32), hexId(row['SpanID'], 16)]
            return {
              traceId,
              spanId,
              parentSpanId: isRoot(row) ? '' : hexId(row['ParentID'], 16),
              name: row['OperationName'],
              kind: kindOf(row),
              startTimeUnixNano: row['StartTimeUnixNano'],
              endTimeUnixNano: row['EndTimeUnixNano'],
              ...(failed.has(traceId + spanId) ? { status: { code: 'STATUS_CODE_ERROR' } } : {}),
            }
          }),
        },
      ],
    })),
  })
}

const isRoot = (row: CsvRow) => row['ParentID'] === 'root' || !row['ParentID']

/** Rows of the pods' metrics as one export request of gauges. What a row says of its node is not the pod's, and is left out. */
export function metricLine(rows: readonly CsvRow[]): string {
  return request({
    resourceMetrics: rows.map((row) => {
      const timeUnixNano = `${row['TimeStamp']}000000000`
      const metrics = Object.entries(row).flatMap(([column, cell]) => {
        const value = cellNumber(cell)
        if (value === null || column.startsWith('Time') || column.startsWith('Node')) return []
        const { name, unit, factor, attributes = {} } = meaningOf(column)
        return [{ name, unit, gauge: { dataPoints: [{ timeUnixNano, asDouble: value * factor, attributes: keyValues(attributes) }] } }]
      })
      return { resource: resourceOf(row['PodName'] ?? row['ServiceName'] ?? ''), scopeMetrics: [{ metrics }] }
    }),
  })
}

interface Meaning {
  name: string
  unit: string
  factor: number
  attributes?: Record<string, string>
}

const meanings: Readonly<Record<string, Meaning>> = {
  'CpuUsage(m)': { name: 'container.cpu.usage', unit: '{cpu}', factor: 1e-3 },
  'CpuUsageRate(%)': { name: 'k8s.container.cpu_limit_utilization', unit: '1', factor: 0.01 },
  'MemoryUsage(Mi)': { name: 'container.memory.usage', unit: 'By', factor: 2 ** 20 },
  'MemoryUsageRate(%)': { name: 'k8s.container.memory_limit_utilization', unit: '1', factor: 0.01 },
  NetworkReceiveBytes: { name: 'k8s.pod.network.io', unit: 'By/s', factor: 1, attributes: { 'network.io.direction': 'receive' } },
  NetworkTransmitBytes: { name: 'k8s.pod.network.io', unit: 'By/s', factor: 1, attributes: { 'network.io.direction': 'transmit' } },
  'PodWorkload(Ops)': { name: 'service.request.rate', unit: '{request}/s', factor: 1 },
  'PodSuccessRate(%)': { name: 'service.availability', unit: '1', factor: 0.01 },
  'SuccessRate(%)': { name: 'service.availability', unit: '1', factor: 0.01 },
}

/** What a column measures, in OpenTelemetry's words where it has them. */
function meaningOf(column: string): Meaning {
  const known = meanings[column]
  if (known !== undefined) return known
  const latency = /^(?:Pod)?(Client|Server)?LatencyP(\d\d)\(s\)$/.exec(column)
  if (latency !== null) {
    const side = latency[1] === 'Client' ? 'client' : 'server'
    return { name: `http.${side}.request.duration`, unit: 's', factor: 1, attributes: { quantile: String(Number(latency[2]) / 100) } }
  }
  const [, name = column, unit] = /^([^(]*)\((.*)\)$/.exec(column) ?? []
  const words = name.replace(/([a-z0-9])([A-Z])/g, '$1_$2').toLowerCase()
  return { name: `k8s.pod.${words}`, unit: unit === '%' ? '1' : (unit ?? '1'), factor: unit === '%' ? 0.01 : 1 }
}

const resourceOf = (pod: string) => ({
  attributes: keyValues({ 'service.name': serviceOf(pod), 'service.instance.id': pod, 'k8s.pod.name': pod }),
})

const keyValues = (attributes: Record<string, string>) =>
  Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }))

/** An id as OTLP has it: so many hex digits, or none at all. */
function hexId(text: string | undefined, digits: number): string {
  const id = text?.trim() ?? ''
  return id.length <= digits && /^[0-9a-fA-F]+$/.test(id) ? id.toLowerCase().padStart(digits, '0') : ''
}

const request = (payload: object) => `${JSON.stringify(payload)}\n`
