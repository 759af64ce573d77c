export { anomalies } from './anomalies.ts'
export { firstDeparture, type FirstDepartureOptions } from './firstDeparture.ts'
export type { DetectionOptions, EwmaOptions, RobustScoreOptions, SeasonalOptions, SeasonOptions } from './detection.ts'
export type { Direction } from './scored.ts'
export type { SeriesFrame, SeriesRow } from './seriesFrame.ts'
export type { Judgement, Observation } from './streaming/observation.ts'
export { restoreDetector, streamingDetector, type DetectorState, type StreamingDetector } from './streaming/streamingDetector.ts'
export {
  restoreDetectors,
  streamingDetectors,
  type DetectorsState,
  type SeriesJudgement,
  type SeriesObservation,
  type StreamingDetectors,
} from './streaming/streamingDetectors.ts'
