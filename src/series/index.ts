export {
  aggregateAcross,
  type AcrossFrame,
  type AcrossRow,
  type AggregateAcrossOptions,
  type ByLabel,
  type ByLookup,
  type ByResource,
} from './aggregateAcross.ts'
export { anomalies } from './anomalies.ts'
export { baselineSeries, type BaselineSeriesOptions } from './baselineSeries.ts'
export { burnRate, type BurnRateOptions, type BurnWindow } from './burnRate.ts'
export type { ComparisonOptions, Verdict } from './compareSamples.ts'
export { compareSeries } from './compareSeries.ts'
export { compareWindows, type CompareWindowsOptions } from './compareWindows.ts'
export { changePoints, type ChangePointOptions } from './changePoints.ts'
export { combine, type Combination, type CombineOptions } from './combine.ts'
export { delta } from './delta.ts'
export { errorBudget, type ErrorBudgetOptions } from './errorBudget.ts'
export { ewma, type EwmaWeight } from './ewma.ts'
export { firstDeparture, type FirstDepartureOptions } from './firstDeparture.ts'
export { forecast, type ForecastOptions, type ForecastRow } from './forecast.ts'
export { gapfill, type GapfillOptions } from './gapfill.ts'
export { join, type JoinedRow, type JoinOptions } from './join.ts'
export type { LookupFrame, LookupRow } from './lookupFrame.ts'
export { linearTrend, type LinearTrendOptions } from './linearTrend.ts'
export { movingAverage } from './movingAverage.ts'
export { movingQuantile, type MovingQuantileOptions } from './movingQuantile.ts'
export { rate } from './rate.ts'
export type { Reduction } from './reduction.ts'
export { resample, type ResampleOptions } from './resample.ts'
export { seasonalBaseline } from './seasonalBaseline.ts'
export type { ServiceLevelCounts } from './serviceLevel.ts'
export { shift, type ShiftOptions } from './shift.ts'
export type { StepOptions } from './steps.ts'
export { timeToThreshold, type ThresholdState, type TimeToThresholdOptions } from './timeToThreshold.ts'
export type { TrailingWindow } from './trailingWindow.ts'
export type { DetectionOptions, EwmaOptions, RobustScoreOptions, SeasonalOptions, SeasonOptions } from './detection.ts'
export type { Direction } from './scored.ts'
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
