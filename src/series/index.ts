export type { SeriesFrame, SeriesRow } from './seriesFrame.ts'
export type { SeasonOptions } from './seasonOptions.ts'

export {
  aggregateAcross,
  type AcrossFrame,
  type AcrossRow,
  type AggregateAcrossOptions,
  type ByLabel,
  type ByLookup,
  type ByResource,
  type LookupFrame,
  type LookupRow,
} from './algebra/aggregateAcross.ts'
export { combine, type Combination, type CombineOptions } from './algebra/combine.ts'
export { delta } from './algebra/delta.ts'
export { ewma, type EwmaOptions } from './algebra/ewma.ts'
export { gapfill, type GapfillOptions } from './algebra/gapfill.ts'
export { join, type JoinedRow, type JoinOptions } from './algebra/join.ts'
export { movingAverage } from './algebra/movingAverage.ts'
export { movingQuantile, type MovingQuantileOptions } from './algebra/movingQuantile.ts'
export { rate } from './algebra/rate.ts'
export type { Reduction } from './algebra/reduction.ts'
export { resample, type ResampleOptions } from './algebra/resample.ts'
export { shift, type ShiftOptions } from './algebra/shift.ts'
export type { StepOptions } from './algebra/steps.ts'
export type { TrailingWindow } from './algebra/trailingWindow.ts'

export { anomalies } from './anomalies/anomalies.ts'
export type { Anomaly, Direction } from './anomalies/anomaly.ts'
export { baselineSeries, type BaselinePoint, type BaselineSeriesOptions } from './anomalies/baselineSeries.ts'
export type { ControlChartOptions, DetectionOptions, RobustScoreOptions, SeasonalOptions, SurpriseOptions } from './anomalies/detection.ts'
export { firstDeparture, type Departure, type FirstDepartureOptions } from './anomalies/firstDeparture.ts'
export { seasonalBaseline, type BaselineSlot } from './anomalies/seasonalBaseline.ts'

export { burnRate, type BurnAlert, type BurnRateOptions, type BurnWindow } from './budgets/burnRate.ts'
export { errorBudget, type ErrorBudget, type ErrorBudgetOptions } from './budgets/errorBudget.ts'
export type { ServiceLevelCounts } from './budgets/serviceLevel.ts'

export { changePoints, type ChangePoint, type ChangePointOptions } from './comparison/changePoints.ts'
export type { Comparison, ComparisonOptions, Verdict } from './comparison/compareSamples.ts'
export { compareSeries } from './comparison/compareSeries.ts'
export { compareWindows, type CompareWindowsOptions } from './comparison/compareWindows.ts'

export type { Look } from './streaming/looks.ts'
export type { Judgement, Observation, Sight } from './streaming/observation.ts'
export { restoreDetector, streamingDetector, type DetectorState, type StreamingDetector } from './streaming/streamingDetector.ts'
export {
  restoreDetectors,
  streamingDetectors,
  type DetectorsState,
  type SeriesJudgement,
  type SeriesObservation,
  type StreamingDetectors,
} from './streaming/streamingDetectors.ts'

export { forecast, type ForecastOptions, type ForecastPoint } from './trends/forecast.ts'
export { linearTrend, type LinearTrendOptions, type TrendLine } from './trends/linearTrend.ts'
export { timeToThreshold, type ThresholdCrossing, type ThresholdState, type TimeToThresholdOptions } from './trends/timeToThreshold.ts'
