import { readFile } from 'node:fs/promises'
import type { HashedType, HllParameters } from '../../../src/sketch/index.ts'

/** What postgresql-hll 2.18 makes of some values; written by writeVectors.ts. */
export interface HllVectors {
  hashes: { type: HashedType; value: string; seed: number; hash: string }[]
  /** Sketches of the integers from 1 to `count`; the cardinality null where it is NaN. */
  sketches: (HllParameters & { count: number; bytes: string; cardinality: number | null })[]
}

export const hllVectors = JSON.parse(await readFile('test/unit/sketch/hll/vectors.json', 'utf8')) as HllVectors
