export { distinctCount, type DistinctCount } from './distinctCount.ts'
export {
  decodeHistogram,
  downscale,
  encodeHistogram,
  histogramCount,
  histogramOf,
  mergeHistograms,
  quantileOf,
  relativeError,
  type ExponentialHistogram,
} from './exponentialHistogram.ts'
export type { Estimate } from './hll/estimate.ts'
export { hashBigint, hashBoolean, hashBytes, hashInteger, hashSmallint, hashText, type HashableValue, type HashedType } from './hll/hash.ts'
export { hllCardinality } from './hll/hllCardinality.ts'
export { Hll, type CardinalityOptions } from './hll/hll.ts'
export type { HllOptions, HllParameters } from './hll/hllParameters.ts'
export type { HllOverlap } from './hll/overlap.ts'
export { hllOverlap, type HllOverlapRow } from './hll/hllOverlap.ts'
export type { HllRepresentation } from './hll/packing.ts'
export { HeavyHitters, type HeavyHitter, type HeavyHittersJson, type HeavyHittersOptions } from './heavyHitters/heavyHitters.ts'
export { heavyHittersMerge } from './heavyHitters/heavyHittersMerge.ts'
export { heavyHittersTop } from './heavyHitters/heavyHittersTop.ts'
export { hllUnion } from './hll/hllUnion.ts'
export { histogramQuantile } from './histogramQuantile.ts'
export type { SampleColumns } from './rowHistogram.ts'
