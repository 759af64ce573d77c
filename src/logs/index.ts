export { burstingPatterns } from './burstingPatterns.ts'
export type { ChangedPattern, ChangedPatternsOptions } from './changedPatterns.ts'
export { createLogMiner, type LearnedMessage, type LogMiner, type LogMinerOptions, type LogMinerReport } from './miner/logMiner.ts'
export type { MatchingPattern } from './matchingPatterns.ts'
export { newPatterns, type NewPattern, type NewPatternsOptions } from './newPatterns.ts'
export { noisiestPatterns, type NoisiestPatternsOptions, type NoisyPattern } from './noisiestPatterns.ts'
export {
  patternDetails,
  type ParameterValue,
  type PatternDetail,
  type PatternDetailsOptions,
  type PatternParameter,
} from './patternDetails.ts'
export { patternDiversity, type PatternDiversity, type PatternDiversityOptions } from './patternDiversity.ts'
export { messageFields } from './messageOf.ts'
export { patternOf } from './pattern.ts'
export { patternSeries, type PatternPoint, type PatternSeriesOptions } from './patternSeries.ts'
export { searchPatterns, type SearchPatternsOptions } from './searchPatterns.ts'
export { similarPatterns, type SimilarPatternsOptions } from './similarPatterns.ts'
export { vanishedPatterns } from './vanishedPatterns.ts'
