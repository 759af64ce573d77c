export { callOddities, type CallOddity } from './callOddities.ts'
export type { MeaningOfMetric, MetricMeaning } from './metricMeanings.ts'
export type { OddityThresholds, OddityWindows } from './oddCalls.ts'
export { rankSuspects, type RankSuspectsOptions, type Suspect, type SuspectEvidence, type SuspectThresholds } from './rankSuspects.ts'
