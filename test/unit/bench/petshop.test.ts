import { expect, test } from 'vitest'
import { readGraph, readMetrics } from '../../../bench/petshop.ts'

const heading = [
  'microservice,shop,shop,shop,shop,table,table,table',
  'metric,latency,latency,availability,requests,latency,availability,queue_depth',
  'statistic,Average,p95,Average,Sum,p95,Average,Average',
  'unix_timestamp,,,,,,,',
]

test('reads three measures of a node as OpenTelemetry would have them, and leaves out what was not measured', () => {
  const { rows, nodes, range } = readMetrics([...heading, '1681857120.0,0.1,0.5,97.5,600,,,7', '1681857420.0,,,,0.0,0.2,nan,'].join('\n'))
  expect(nodes).toEqual(['shop', 'table'])
  expect(range).toEqual({ from: new Date(1681857120_000), to: new Date(1681857720_000) })
  const [first, second] = [new Date(1681857120_000), new Date(1681857420_000)]
  const seen = rows.map(({ bucket, resource, metric, unit, avg, p95, sampleCount }) => [
    bucket,
    resource.split('/').at(-1),
    metric,
    unit,
    avg,
    p95,
    sampleCount,
  ])
  expect(seen).toEqual([
    [first, 'shop', 'http.server.request.duration', 's', 0.1, 0.5, 600],
    [first, 'shop', 'service.availability', '1', 0.975, null, 600],
    [first, 'shop', 'service.request.rate', '{request}/s', 2, 2, 1],
    [first, 'table', 'queue_depth', null, 7, null, 1],
    [second, 'shop', 'service.request.rate', '{request}/s', 0, 0, 1],
    [second, 'table', 'http.server.request.duration', 's', null, 0.2, 1],
  ])
})

test('refuses a file without rows', () => {
  expect(() => readMetrics(heading.join('\n'))).toThrow('no rows')
  expect(() => readMetrics('microservice,shop\n')).toThrow('heading')
})

test('reads an adjacency matrix: the row calls the column', () => {
  expect(readGraph(',shop,table,queue\nshop,0.0,1.0,1\ntable,,0.0,0\nqueue,0.0,0.0,0.0\n')).toEqual([
    ['shop', 'table'],
    ['shop', 'queue'],
  ])
})
