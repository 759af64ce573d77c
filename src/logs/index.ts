export { newPatterns, type NewPattern, type NewPatternsOptions } from './newPatterns.ts'
export { patternDiversity, type PatternDiversity, type PatternDiversityOptions } from './patternDiversity.ts'
export { patternOf } from './pattern.ts'
export { patternSeries, type PatternPoint, type PatternSeriesOptions } from './patternSeries.ts'
