import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { logLines, metricLine, serviceOf, spanLine } from '../../../bench/nezhaTelemetry.ts'
import { readOtlp } from '../../../src/ingest/sources/readOtlp.ts'
import { rollUp } from '../../../src/ingest/rollUp.ts'
import type { IngestWindow } from '../../../src/ingest/rollups/windows/ingestWindow.ts'

const [gateway, basic, other] = [
  'ts-gateway-service-6f6cfc45b-d9pnv',
  'ts-basic-service-5dc8d4f9fd-llznp',
  'ts-basic-service-5dc8d4f9fd-aaaaa',
]
const trace = 'a'.repeat(32)
const start = 1675079501000000000n
const span = (id: string, parent: string, pod: string, name: string, milliseconds: number) => ({
  TraceID: trace,
  SpanID: id.repeat(16),
  ParentID: parent === 'root' ? parent : parent.repeat(16),
  PodName: pod,
  OperationName: name,
  StartTimeUnixNano: `${start}`,
  EndTimeUnixNano: `${start + BigInt(milliseconds) * 1_000_000n}`,
})

/** What the one window of these lines holds. */
async function windowOf(lines: string[]): Promise<IngestWindow> {
  const onMalformed = ({ reason }: { reason: string }) => {
    throw new Error(reason)
  }
  const windows: IngestWindow[] = []
  for await (const window of rollUp(readOtlp(Readable.from(lines), { onMalformed }))) windows.push(window)
  expect(windows).toHaveLength(1)
  return windows[0]!
}

test.each([
  [gateway, 'ts-gateway-service'],
  ['ts-ui-dashboard-5477b965f-lwprp', 'ts-ui-dashboard'],
  ['mysql-0', 'mysql'],
  ['Frontend', 'Frontend'],
])('%s belongs to %s', (pod, service) => {
  expect(serviceOf(pod)).toBe(service)
})

test('a span in another pod than its parent makes a call of both; one in which an error was logged has failed', async () => {
  const spans = [
    span('1', 'root', gateway, '/*', 50),
    span('2', '1', gateway, 'HTTP POST', 40),
    span('3', '2', basic, '/api/v1/basicservice/basic/travels', 30),
    span('4', '3', basic, 'SELECT ts.route', 10),
    span('5', '3', basic, 'orders send', 5),
    span('6', '5', other, 'orders process', 15),
  ]
  const error = {
    PodName: basic,
    TraceID: trace,
    SpanID: '3'.repeat(16),
    TimeUnixNano: `${start}`,
    Log: '{"log":"19:50 ERROR no such route\\n"}',
  }
  const { lines, failed } = logLines([error, { ...error, SpanID: '2'.repeat(16), Log: '19:50 INFO all is well' }])
  const { calls, patterns } = await windowOf([spanLine(spans, failed), ...lines])
  expect(calls.map(({ from, to, p95Ms, errorCount }) => [from, to, p95Ms, errorCount])).toEqual([
    ['urn:external:client', 'urn:k8s:svc:default/ts-gateway-service', 50, 0],
    ['urn:k8s:svc:default/ts-basic-service', 'urn:k8s:svc:default/ts-basic-service', 15, 0],
    ['urn:k8s:svc:default/ts-gateway-service', 'urn:k8s:svc:default/ts-basic-service', 40, 1],
  ])
  expect(patterns.map(({ severity, countError }) => [severity, countError])).toEqual(
    expect.arrayContaining([
      ['ERROR', 1],
      ['INFO', 0],
    ]),
  )
})

test.each([
  ['{"log":"19:50 WARN low on seats\\n","stream":"stdout"}', 'WARN', '19:50 WARN low on seats'],
  ['{"severity":"error","message":"no INFO"}', 'ERROR', '{"severity":"error","message":"no INFO"}'],
  ['nothing stated', undefined, 'nothing stated'],
])('reads the severity of %s as %s', (log, severity, message) => {
  const { lines } = logLines([{ PodName: basic, TimeUnixNano: `${start}`, Log: log }])
  expect(lines).toEqual([expect.stringContaining(JSON.stringify({ stringValue: message }))])
  expect(lines[0]!.includes('severityText')).toBe(severity !== undefined)
  if (severity !== undefined) expect(lines[0]).toContain(`"severityText":"${severity}"`)
})

test("a pod's row is gauges by OpenTelemetry's names; what is empty was not measured, what the node says is left out", async () => {
  const row = {
    TimeStamp: '1675079501',
    Time: '2023-01-30 11:51:41',
    PodName: basic,
    'CpuUsage(m)': '500',
    'MemoryUsageRate(%)': '25',
    'PodServerLatencyP95(s)': '0.25',
    'PodClientLatencyP99(s)': 'NaN',
    NetworkReceiveBytes: '12',
    'NodeCpuUsageRate(%)': '9',
    'QueueDepth(jobs)': '3',
    'PodSuccessRate(%)': '',
  }
  const { metrics } = await windowOf([metricLine([row])])
  expect(metrics.map(({ resource, metric, unit, labels, avg }) => [resource.split('/')[1], metric, unit, labels, avg])).toEqual([
    ['ts-basic-service', 'container.cpu.usage', '{cpu}', {}, 0.5],
    ['ts-basic-service', 'http.server.request.duration', 's', { quantile: '0.95' }, 0.25],
    ['ts-basic-service', 'k8s.container.memory_limit_utilization', '1', {}, 0.25],
    ['ts-basic-service', 'k8s.pod.network.io', 'By/s', { 'network.io.direction': 'receive' }, 12],
    ['ts-basic-service', 'k8s.pod.queue_depth', 'jobs', {}, 3],
  ])
})
