export { distinctCount } from './distinctCount.ts'
export * from './exponentialHistogram.ts'
export { histogramQuantile, type SampleColumns } from './histogramQuantile.ts'
