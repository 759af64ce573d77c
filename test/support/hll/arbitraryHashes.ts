import fc from 'fast-check'
import { Hll, type HllOptions } from '../../../src/sketch/index.ts'

/** Parameters at which every representation and promotion comes up with few hashes. */
export const parameterSets: readonly Required<HllOptions>[] = [
  { log2m: 11, regwidth: 5, expthresh: -1, sparseon: 1 },
  { log2m: 11, regwidth: 5, expthresh: 0, sparseon: 1 },
  { log2m: 8, regwidth: 5, expthresh: 8, sparseon: 1 },
  { log2m: 7, regwidth: 4, expthresh: 1, sparseon: 0 },
  { log2m: 4, regwidth: 4, expthresh: 0, sparseon: 1 },
  { log2m: 5, regwidth: 3, expthresh: -1, sparseon: 1 },
  { log2m: 9, regwidth: 6, expthresh: 4, sparseon: 1 },
  { log2m: 6, regwidth: 7, expthresh: -1, sparseon: 1 },
]

/**
 * Hashes as any may be, and such as choose few registers (so that values repeat and registers are
 * met again) or have their first 1 far up.
 */
const hash = fc.oneof(
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
  fc.bigInt({ min: -40n, max: 40n }),
  fc.tuple(fc.nat(63), fc.nat(20)).map(([place, low]) => BigInt.asIntN(64, (1n << BigInt(place)) | BigInt(low))),
)

/** Hashes from none to enough to fill the registers of the smaller parameter sets. */
export const hashes = fc.oneof(fc.array(hash, { maxLength: 12 }), fc.array(hash, { maxLength: 400, size: 'max' }))

export const sketchOf = (parameters: HllOptions, values: readonly bigint[]): Hll =>
  values.reduce((sketch, value) => sketch.addHash(value), Hll.create(parameters))
