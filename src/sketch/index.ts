export { distinctCount } from './distinctCount.ts'
export {
  decodeHistogram,
  downscale,
  histogramCount,
  histogramOf,
  HistogramRecorder,
  mergeHistograms,
  quantileOf,
  relativeError,
  type ExponentialHistogram,
} from './exponentialHistogram.ts'
export { histogramQuantile, type SampleColumns } from './histogramQuantile.ts'
