export { callOddities, type CallOddity } from './callOddities.ts'
export { metricMeanings, type Measure, type MetricMeaning } from './measures.ts'
export type { OddityThresholds, OddityWindows } from './oddCalls.ts'
export { rankSuspects, type RankSuspectsOptions, type Suspect, type SuspectEvidence, type SuspectThresholds } from './rankSuspects.ts'
