export { distinctCount, type DistinctCount } from './distinctCount.ts'
export {
  decodeHistogram,
  downscale,
  histogramCount,
  histogramOf,
  mergeHistograms,
  quantileOf,
  relativeError,
  type ExponentialHistogram,
} from './exponentialHistogram.ts'
export { histogramQuantile } from './histogramQuantile.ts'
export type { SampleColumns } from './rowHistogram.ts'
