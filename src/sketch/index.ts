export { distinctCount } from './distinctCount.ts'
export * from './exponentialHistogram.ts'
export { histogramQuantile } from './histogramQuantile.ts'
export type { SampleColumns } from './rowHistogram.ts'
