import { expectTypeOf } from 'vitest'
import { callSeries } from '../../../src/calls/index.ts'
import { topK } from '../../../src/ranking/index.ts'
import {
  anomalies,
  type Anomaly,
  type BaselinePoint,
  baselineSeries,
  type BaselineSlot,
  type BurnAlert,
  burnRate,
  type ChangePoint,
  changePoints,
  compareSeries,
  type Comparison,
  compareWindows,
  type Departure,
  type ErrorBudget,
  errorBudget,
  firstDeparture,
  forecast,
  type ForecastPoint,
  linearTrend,
  seasonalBaseline,
  type ThresholdCrossing,
  timeToThreshold,
  type TrendLine,
} from '../../../src/series/index.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

/** The row a query gives. */
type RowOf<Query extends { execute(): Promise<readonly unknown[]> }> = Awaited<ReturnType<Query['execute']>>[number]
const rowOf = <Query extends { execute(): Promise<readonly unknown[]> }>(_: Query) => expectTypeOf<RowOf<Query>>()

const scope = unitScope()
const range = during('10:00', '11:00')
const latency = callSeries(scope, { measure: 'p95_ms', range })
const counts = { total: callSeries(scope, { measure: 'call_count', range }), bad: callSeries(scope, { measure: 'error_count', range }) }

expectTypeOf<Anomaly>().toEqualTypeOf<{
  series: string
  bucket: Date
  value: number
  expected: number
  spread: number
  score: number
  direction: 'up' | 'down'
  item: string
}>()

// Every method gives the same row.
rowOf(anomalies(scope, latency)).toEqualTypeOf<Anomaly>()
rowOf(anomalies(scope, latency, { method: 'seasonal', slot: '30 minutes' })).toEqualTypeOf<Anomaly>()
rowOf(anomalies(scope, latency, { method: 'ewma', lambda: 0.1 })).toEqualTypeOf<Anomaly>()
rowOf(firstDeparture(scope, latency, { method: 'seasonal', consecutive: 3 })).toEqualTypeOf<Departure>()
rowOf(topK(scope, anomalies(scope, latency, { method: 'ewma' }), 3)).toEqualTypeOf<Anomaly>()

// An option belongs to its method.
// @ts-expect-error a robust z-score has no lambda
anomalies(scope, latency, { lambda: 0.1 })
// @ts-expect-error a season has no window
anomalies(scope, latency, { method: 'seasonal', window: '1 hour' })
// @ts-expect-error there is no such method
anomalies(scope, latency, { method: 'zscore' })

rowOf(seasonalBaseline(scope, latency)).toEqualTypeOf<BaselineSlot>()
expectTypeOf<BaselineSlot>().toEqualTypeOf<{
  series: string
  slot: number
  slot_start_s: number
  expected: number
  spread: number
  points: number
}>()

rowOf(baselineSeries(scope, latency, { range })).toEqualTypeOf<BaselinePoint>()
expectTypeOf<BaselinePoint>().toEqualTypeOf<{
  series: string
  bucket: Date
  value: number
  lower: number
  upper: number
}>()

expectTypeOf<Comparison>().toEqualTypeOf<{
  series: string
  baseline_points: number
  candidate_points: number
  baseline_median: number | null
  candidate_median: number | null
  shift: number | null
  effect: number | null
  p_value: number | null
  verdict: 'up' | 'down' | 'same' | 'unknown'
  item: string
  score: number | null
}>()
rowOf(compareWindows(scope, latency, { baseline: range, candidate: during('11:00', '12:00') })).toEqualTypeOf<Comparison>()
rowOf(topK(scope, compareSeries(scope, { baseline: latency, candidate: latency }), 3)).toEqualTypeOf<Comparison>()

rowOf(errorBudget(scope, counts, { objective: 0.999 })).toEqualTypeOf<ErrorBudget>()
expectTypeOf<ErrorBudget>().toEqualTypeOf<{
  series: string
  total: number
  bad: number
  sli: number | null
  allowed: number
  remaining: number | null
  item: string
  score: number | null
}>()

rowOf(burnRate(scope, counts, { objective: 0.999 })).toEqualTypeOf<BurnAlert>()
expectTypeOf<BurnAlert>().toEqualTypeOf<{
  series: string
  long_window: string
  short_window: string
  burn: number
  long_burn: number | null
  short_burn: number | null
  firing: boolean
}>()

rowOf(linearTrend(scope, latency)).toEqualTypeOf<TrendLine>()
expectTypeOf<TrendLine>().toEqualTypeOf<{
  series: string
  first_at: Date
  last_at: Date
  first_level: number
  last_level: number
  slope_per_hour: number
  slope_lower_per_hour: number | null
  slope_upper_per_hour: number | null
  r2: number | null
  points: number
  effective_points: number
}>()

rowOf(timeToThreshold(scope, latency, { threshold: 1 })).toEqualTypeOf<ThresholdCrossing>()
expectTypeOf<ThresholdCrossing>().toEqualTypeOf<{
  series: string
  state: 'already' | 'reaches' | 'never'
  at: Date | null
  earliest: Date | null
  latest: Date | null
  last_at: Date
  last_level: number
  slope_per_hour: number
}>()

rowOf(forecast(scope, latency, { horizon: '1 hour', every: '5 minutes' })).toEqualTypeOf<ForecastPoint>()
expectTypeOf<ForecastPoint>().toEqualTypeOf<{
  series: string
  bucket: Date
  value: number | null
  lower: number | null
  upper: number | null
}>()

rowOf(changePoints(scope, latency)).toEqualTypeOf<ChangePoint>()
expectTypeOf<ChangePoint>().toEqualTypeOf<{
  series: string
  bucket: Date
  before_level: number
  after_level: number
  shift: number
  direction: 'up' | 'down'
  before_points: number
  after_points: number
  score: number
  item: string
}>()

// What is expected is a series frame itself.
anomalies(scope, forecast(scope, baselineSeries(scope, latency, { range }), { horizon: '1 hour', every: '1 hour' }))
