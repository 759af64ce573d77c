import type { Kysely } from 'kysely'
import { expectTypeOf } from 'vitest'
import { callsDuring, callSeries, callSummary, slowestDependencies } from '../../src/calls/index.ts'
import { newPatterns, patternSeries } from '../../src/logs/index.ts'
import { latestMetrics, metricSeries } from '../../src/metrics/index.ts'
import { rankBy, topK } from '../../src/ranking/index.ts'
import type { Json } from '../../src/schema/text.ts'
import { aggregateAcross, anomalies, firstDeparture, type SeriesFrame } from '../../src/series/index.ts'
import { distinctCount } from '../../src/sketch/index.ts'
import { during } from '../support/rows.ts'
import { unitKysely, unitScope } from '../support/unitScope.ts'

/** The row a query gives. */
type RowOf<Query extends { execute(): Promise<readonly unknown[]> }> = Awaited<ReturnType<Query['execute']>>[number]
const rowOf = <Query extends { execute(): Promise<readonly unknown[]> }>(_: Query) => expectTypeOf<RowOf<Query>>()

const scope = unitScope()
const range = during('10:00', '11:00')
interface Point {
  series: string
  bucket: Date
  value: number | null
}
interface OfSomebody extends Point {
  resource_id: string | null
}
interface OfResource extends Point {
  resource_id: string
}
interface Labelled extends OfResource {
  labels: Record<string, Json>
}
interface Anomaly {
  series: string
  bucket: Date
  value: number
  expected: number
  spread: number
  score: number
  direction: 'up' | 'down'
  item: string
}

rowOf(slowestDependencies(scope, { service: 'urn:a', range })).toEqualTypeOf<{
  dst_urn: string
  mean_p95_ms: number | null
  mean_err_rate: number | null
}>()

rowOf(callSummary(scope, { range })).toEqualTypeOf<{
  src_urn: string | null
  dst_urn: string
  call_count: number
  error_count: number
  rps: number
  err_rate: number | null
  p50_ms: number | null
  p95_ms: number | null
  p99_ms: number | null
}>()

rowOf(callsDuring(scope, { range })).toEqualTypeOf<{
  src: string
  dst: string
  weight: number
  call_count: number
  error_count: number
  err_rate: number | null
  p95_ms: number | null
}>()

rowOf(newPatterns(scope, { range })).toEqualTypeOf<{
  fingerprint_id: string
  pattern: string
  severity: 'TRACE' | 'DEBUG' | 'INFO' | 'WARN' | 'ERROR' | 'FATAL' | null
  sample_message: string | null
  first_seen: Date | null
  first_seen_anywhere: Date | null
  logs_since: Date | null
  count_total: number
  count_error: number
  resources: string[]
}>()

// Every maker of series gives a series frame, and what takes one takes them all.
const latency = callSeries(scope, { to: 'urn:a', measure: 'p95_ms', range })
rowOf(latency).toEqualTypeOf<OfSomebody>()
rowOf(patternSeries(scope, { measure: 'count_total', range })).toEqualTypeOf<OfSomebody>()
const cpu = { metric: 'cpu', measure: 'avg', range } as const
rowOf(metricSeries(scope, cpu)).toEqualTypeOf<Labelled>()
rowOf(metricSeries(scope, { ...cpu, by: 'resource' })).toEqualTypeOf<OfResource>()
rowOf(metricSeries(scope, { ...cpu, by: 'metric' })).toEqualTypeOf<Point>()
rowOf(latestMetrics(scope, cpu)).toEqualTypeOf<Labelled>()
rowOf(latestMetrics(scope, { ...cpu, by: 'resource' })).toEqualTypeOf<OfResource>()
aggregateAcross(scope, metricSeries(scope, cpu), { with: 'sum', by: { label: 'core' } })
aggregateAcross(scope, metricSeries(scope, { ...cpu, by: 'resource' }), { with: 'sum', by: { resource: 'region' } })
// @ts-expect-error a resource's label sets are put together: there are no labels
aggregateAcross(scope, metricSeries(scope, { ...cpu, by: 'resource' }), { with: 'sum', by: { label: 'core' } })
// @ts-expect-error nor a resource, where all are
aggregateAcross(scope, metricSeries(scope, { ...cpu, by: 'metric' }), { with: 'sum', by: { resource: 'region' } })
// @ts-expect-error the last of what: resources are told apart
latestMetrics(scope, { ...cpu, by: 'metric' })
expectTypeOf(latency).toExtend<SeriesFrame>()

// Frames nest, and keep the row's columns.
const odd = anomalies(scope, latency, { method: 'robust-z', window: '1 hour', threshold: 4 })
rowOf(odd).toEqualTypeOf<Anomaly>()
rowOf(topK(scope, odd, 5)).toEqualTypeOf<Anomaly>()
rowOf(anomalies(scope, odd)).toEqualTypeOf<Anomaly>()
rowOf(firstDeparture(scope, latency)).toEqualTypeOf<Anomaly>()
rowOf(distinctCount(scope, odd, 'series')).toEqualTypeOf<{ distinct_count: number }>()
rowOf(odd.where('score', '>', 10).select(['item', 'score']).clearSelect().select('item')).toEqualTypeOf<{ item: string }>()

// So do queries of the user's own, on a database type of their own.
const theirs: Kysely<{ owner: { team: string; service_id: number; pages: string; note: string; since: Date } }> = unitKysely()
const ranking = rankBy(scope, theirs.selectFrom('owner').selectAll(), { item: 'service_id', score: 'pages' })
rowOf(topK(scope, ranking, 3)).toEqualTypeOf<{
  team: string
  service_id: number
  pages: string
  note: string
  since: Date
  item: number
  score: number | null
}>()

// What is no column, no measure or no frame is refused by the compiler.
// @ts-expect-error a date is no score
rankBy(scope, theirs.selectFrom('owner').selectAll(), { item: 'team', score: 'since' })
// @ts-expect-error not a column of the query
rankBy(scope, theirs.selectFrom('owner').select('team'), { item: 'team', score: 'pages' })
// @ts-expect-error not a ranking: it has no item
topK(scope, latency, 3)
// @ts-expect-error not a series frame: it has no bucket
anomalies(scope, callSummary(scope, { range }))
// @ts-expect-error not a method
anomalies(scope, latency, { method: 'magic' })
// @ts-expect-error not a measure
callSeries(scope, { measure: 'p96_ms', range })
// @ts-expect-error not a column
distinctCount(scope, odd, 'colour')
// @ts-expect-error the tables inside are out of reach of a finished row
callSummary(scope, { range }).where('call.tenant_id', '=', '2')
// @ts-expect-error a column that the finished row does not have
slowestDependencies(scope, { service: 'urn:a', range }).where('tenant_id', '=', '2')
// @ts-expect-error conditions see the columns of our tables
callsDuring(scope, { range, where: (eb) => eb('call.colour', '=', 'red') })
