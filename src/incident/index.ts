export { callOddities, type CallOddity } from './callOddities.ts'
export type { OddityThresholds, OddityWindows } from './oddCalls.ts'
export { rankSuspects, type RankSuspectsOptions, type Suspect } from './rankSuspects.ts'
