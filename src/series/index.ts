export { anomalies } from './anomalies.ts'
export { firstDeparture, type FirstDepartureOptions } from './firstDeparture.ts'
export type { Direction, RobustScoreOptions } from './robustScores.ts'
export type { SeriesFrame, SeriesRow } from './seriesFrame.ts'
