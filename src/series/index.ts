export {
  aggregateAcross,
  type AcrossFrame,
  type AcrossRow,
  type AggregateAcrossOptions,
  type ByLabel,
  type ByLookup,
  type ByResource,
} from './algebra/aggregateAcross.ts'
export { anomalies } from './anomalies/anomalies.ts'
export { baselineSeries, type BaselineSeriesOptions } from './anomalies/baselineSeries.ts'
export { burnRate, type BurnRateOptions, type BurnWindow } from './budgets/burnRate.ts'
export type { ComparisonOptions, Verdict } from './comparison/compareSamples.ts'
export { compareSeries } from './comparison/compareSeries.ts'
export { compareWindows, type CompareWindowsOptions } from './comparison/compareWindows.ts'
export { changePoints, type ChangePointOptions } from './comparison/changePoints.ts'
export { combine, type Combination, type CombineOptions } from './algebra/combine.ts'
export { delta } from './algebra/delta.ts'
export { errorBudget, type ErrorBudgetOptions } from './budgets/errorBudget.ts'
export { ewma, type EwmaWeight } from './algebra/ewma.ts'
export { firstDeparture, type FirstDepartureOptions } from './anomalies/firstDeparture.ts'
export { forecast, type ForecastOptions, type ForecastRow } from './trends/forecast.ts'
export { gapfill, type GapfillOptions } from './algebra/gapfill.ts'
export { join, type JoinedRow, type JoinOptions } from './algebra/join.ts'
export type { LookupFrame, LookupRow } from './algebra/lookupFrame.ts'
export { linearTrend, type LinearTrendOptions } from './trends/linearTrend.ts'
export { movingAverage } from './algebra/movingAverage.ts'
export { movingQuantile, type MovingQuantileOptions } from './algebra/movingQuantile.ts'
export { rate } from './algebra/rate.ts'
export type { Reduction } from './algebra/reduction.ts'
export { resample, type ResampleOptions } from './algebra/resample.ts'
export { seasonalBaseline } from './anomalies/seasonalBaseline.ts'
export type { ServiceLevelCounts } from './budgets/serviceLevel.ts'
export { shift, type ShiftOptions } from './algebra/shift.ts'
export type { StepOptions } from './algebra/steps.ts'
export { timeToThreshold, type ThresholdState, type TimeToThresholdOptions } from './trends/timeToThreshold.ts'
export type { TrailingWindow } from './algebra/trailingWindow.ts'
export type { DetectionOptions, EwmaOptions, RobustScoreOptions, SeasonalOptions, SeasonOptions } from './anomalies/detection.ts'
export type { Direction } from './anomalies/scored.ts'
export type { SeriesFrame, SeriesRow } from './seriesFrame.ts'
export type { Look } from './streaming/looks.ts'
export type { Judgement, Observation, Sight } from './streaming/observation.ts'
export {
  restoreDetector,
  streamingDetector,
  type DetectorState,
  type StreamingDetector,
  type StreamingOptions,
} from './streaming/streamingDetector.ts'
export {
  restoreDetectors,
  streamingDetectors,
  type DetectorsState,
  type SeriesJudgement,
  type SeriesObservation,
  type StreamingDetectors,
} from './streaming/streamingDetectors.ts'
export type { SurpriseOptions } from './streaming/surprise.ts'
