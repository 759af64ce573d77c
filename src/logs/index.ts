export { newPatterns, type NewPatternsOptions } from './newPatterns.ts'
export { patternOf } from './pattern.ts'
export { patternSeries, type PatternSeriesOptions } from './patternSeries.ts'
