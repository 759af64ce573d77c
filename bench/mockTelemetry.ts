import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'

/** How much of what to make up. */
export interface MockVolume {
  logs: number
  spans: number
  points: number
  /** The start of the first record, in milliseconds. */
  from: number
  /** The time they are spread over, in milliseconds. */
  length: number
  /** Another one gives other ids and values. Default: 1. */
  seed?: number
}

/** Records a request: what a collector batches. */
const batch = 500

/**
 * Made-up telemetry of ten services as OTLP/JSON lines, in the order of time: the volume of the schema's source, which names 5,000 logs, 500 metric
 * points and 1,000 spans a minute. The same arguments give the same lines.
 */
export function* mockTelemetry({ logs, spans, points, from, length, seed = 1 }: MockVolume): Generator<string> {
  const batches = Math.max(1, Math.ceil(Math.max(logs, spans, points) / batch))
  const generator = xoroshiro128plus(seed)
  const random = () => uniformFloat64(generator)
  for (let at = 0; at < batches; at++) {
    const share = (total: number) => Math.floor((total * (at + 1)) / batches) - Math.floor((total * at) / batches)
    const time = () => `${BigInt(Math.floor(from + (length * (at + random())) / batches)) * 1_000_000n}`
    yield line('resourceLogs', 'scopeLogs', 'logRecords', share(logs), random, () => ({
      timeUnixNano: time(),
      severityNumber: random() < 0.05 ? 17 : 9,
      body: { stringValue: messages[Math.floor(random() * messages.length)]!(Math.floor(random() * 1e6)) },
      attributes: [{ key: 'thread', value: { intValue: `${Math.floor(random() * 16)}` } }],
    }))
    const half = Math.floor(share(spans) / 2)
    const calls = Array.from({ length: half }, () => {
      const start = BigInt(time())
      const id = hex(random, 16)
      return { traceId: hex(random, 32), spanId: id, start, end: start + BigInt(Math.floor(1e6 + random() * 1e8)) }
    })
    yield line('resourceSpans', 'scopeSpans', 'spans', half, random, (index) => {
      const { traceId, spanId, start, end } = calls[index]!
      return { traceId, spanId, name: 'call', kind: 3, startTimeUnixNano: `${start}`, endTimeUnixNano: `${end}` }
    })
    yield line('resourceSpans', 'scopeSpans', 'spans', share(spans) - half, random, (index) => {
      const { traceId, spanId, start, end } = calls[index % Math.max(1, half)] ?? {
        traceId: hex(random, 32),
        spanId: hex(random, 16),
        start: BigInt(time()),
        end: 0n,
      }
      return {
        traceId,
        spanId: hex(random, 16),
        parentSpanId: spanId,
        name: 'serve',
        kind: 2,
        startTimeUnixNano: `${start}`,
        endTimeUnixNano: `${end > start ? end : start}`,
      }
    })
    yield line('resourceMetrics', 'scopeMetrics', 'metrics', share(points), random, (index) => ({
      name: `metric.${index % 20}`,
      unit: '1',
      gauge: { dataPoints: [{ timeUnixNano: time(), asDouble: random() * 100 }] },
    }))
  }
}

const messages: ((n: number) => string)[] = [
  (n) => `request ${n} served in ${n % 900} ms`,
  (n) => `user ${n} logged in from 10.0.${n % 255}.${n % 251}`,
  (n) => `cache miss for key order:${n}`,
  (n) => `payment ${n} refused: insufficient funds`,
  (n) => `retrying connection to db-${n % 3} (attempt ${n % 5})`,
  (n) => `worker ${n % 8} took job ${n} from queue orders`,
]

/** One export request whose records belong to one of the ten services. */
function line(
  resources: string,
  scopes: string,
  records: string,
  count: number,
  random: () => number,
  record: (index: number) => object,
): string {
  const service = `service-${Math.floor(random() * 10)}`
  const resource = { attributes: [{ key: 'service.name', value: { stringValue: service } }] }
  return `${JSON.stringify({ [resources]: [{ resource, [scopes]: [{ [records]: Array.from({ length: count }, (_, index) => record(index)) }] }] })}\n`
}

const hex = (random: () => number, digits: number) => Array.from({ length: digits }, () => Math.floor(random() * 16).toString(16)).join('')
