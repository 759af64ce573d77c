import type { TimeRange } from '../../src/database/range.ts'
import type { Scope } from '../../src/database/scope.ts'
import * as series from '../../src/series/index.ts'
import type { SeriesFrame, SeriesRow } from '../../src/series/seriesFrame.ts'
import type { expectNarrows } from './narrowed.ts'

/** An answer about series: a query that names them. */
export type SeriesRead = Parameters<typeof expectNarrows<Pick<SeriesRow, 'series'>>>[0]

/** What is exported and takes no frame. */
type Streaming = 'streamingDetector' | 'streamingDetectors' | 'restoreDetector' | 'restoreDetectors'

/**
 * Every function on series, over a frame of five-minute buckets that go from `before` through `after` (an hour each) and are another level from the middle of
 * `after` on; one that is left out is refused by the compiler. Each answer has every series of the frame, under its own name.
 */
export function seriesReads(scope: Scope, frame: SeriesFrame, { before, after }: { before: TimeRange; after: TimeRange }) {
  const all = { from: before.from, to: after.to }
  const hourly = { season: '1 hour', slot: '5 minutes' }
  const anyTwo = { minPoints: 1, minEffect: 0, alpha: 0.999 }
  // Counts add up to the same whatever the order; the last digits of other sums are the planner's choice.
  const counts = series.resample(scope, frame, { every: '5 minutes', with: 'count' })
  const named = scope.db.selectFrom(frame.as('named')).select(['named.series', 'named.series as group']).distinct()
  return {
    resample: series.resample(scope, frame, { every: '1 hour', with: 'median' }),
    gapfill: series.gapfill(scope, frame, { every: '1 minute', range: after, fill: 'linear' }),
    rate: series.rate(scope, frame),
    delta: series.delta(scope, frame, { counter: true }),
    movingAverage: series.movingAverage(scope, frame, { window: '30 minutes' }),
    movingQuantile: series.movingQuantile(scope, frame, { q: 0.9, points: 3 }),
    ewma: series.ewma(scope, frame, { halfLife: '10 minutes' }),
    shift: series.shift(scope, frame, { later: '1 hour' }),
    join: series.join(scope, frame, frame),
    combine: series.combine(scope, frame, series.shift(scope, frame, { later: '1 hour' }), { op: 'ratio' }),
    aggregateAcross: series.aggregateAcross(scope, frame, { with: 'sum', by: { lookup: named } }),
    seasonalBaseline: series.seasonalBaseline(scope, frame, hourly),
    baselineSeries: series.baselineSeries(scope, frame, { ...hourly, range: after }),
    anomalies: series.anomalies(scope, frame),
    'anomalies, seasonal': series.anomalies(scope, frame, { method: 'seasonal', season: '1 hour', slot: '30 minutes', history: '1 hour' }),
    'anomalies, ewma': series.anomalies(scope, frame, { method: 'ewma' }),
    'anomalies, surprise': series.anomalies(scope, frame, { method: 'surprise', minPoints: 20, threshold: 0 }),
    firstDeparture: series.firstDeparture(scope, frame, { range: after }),
    changePoints: series.changePoints(scope, frame, { minPoints: 4 }),
    compareWindows: series.compareWindows(scope, frame, { baseline: before, candidate: after, ...anyTwo }),
    compareSeries: series.compareSeries(scope, { baseline: frame, candidate: frame }, anyTwo),
    linearTrend: series.linearTrend(scope, frame),
    timeToThreshold: series.timeToThreshold(scope, frame, { threshold: 1e6 }),
    forecast: series.forecast(scope, frame, { horizon: '30 minutes', every: '5 minutes' }),
    errorBudget: series.errorBudget(scope, { total: counts, bad: counts }, { objective: 0.9, range: all }),
    burnRate: series.burnRate(scope, { total: counts, bad: counts }, { objective: 0.9, at: after.to }),
  } satisfies Record<Exclude<keyof typeof series, Streaming>, SeriesRead> & Record<string, SeriesRead>
}
