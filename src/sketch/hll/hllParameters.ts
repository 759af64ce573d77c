import { z } from 'zod'
import { InvalidInputError } from '../../schema/errors.ts'

/**
 * The parameters of a sketch: its precision and its size. Only sketches with equal parameters can
 * be merged.
 */
export interface HllParameters {
  /**
   * The logarithm of the number of registers, 4 to 17. The standard error is 1.04 / sqrt(2 **
   * log2m).
   */
  readonly log2m: number
  /**
   * The bits of a register, 1 to 8. With 5, the width adds no error up to about 10 ** 12 values.
   */
  readonly regwidth: number
  /**
   * The explicit threshold: how many values are kept as hashes and counted exactly. 0, a power of
   * two up to 8,192, or -1 for as many as take no more space than the registers.
   */
  readonly expthresh: number
  /** Whether registers are stored sparsely while that is shorter: 1 or 0. */
  readonly sparseon: 0 | 1
}

/** The parameters of a new sketch. The defaults are the extension's. */
export type HllOptions = Partial<HllParameters>

const whole = z.number().int()

export const hllOptions = z.strictObject({
  log2m: whole.min(4, 'must be between 4 and 17').max(17, 'must be between 4 and 17').default(11),
  regwidth: whole.min(1, 'must be between 1 and 8').max(8, 'must be between 1 and 8').default(5),
  expthresh: whole.refine(isThreshold, 'must be -1, 0 or a power of two of at most 8192').default(-1),
  sparseon: z.literal([0, 1], 'must be 0 or 1').default(1),
})

function isThreshold(value: number): boolean {
  return value === -1 || value === 0 || (value > 0 && value <= 8192 && Math.log2(value) % 1 === 0)
}

/** The extension's largest explicit set. */
export const mostExplicit = 16_383

/** The number of values that are kept as hashes before registers replace them. */
export function explicitLimit({ log2m, regwidth, expthresh }: HllParameters): number {
  const limit = expthresh === -1 ? Math.floor(Math.ceil((regwidth * 2 ** log2m) / 8) / 8) : expthresh
  return Math.min(limit, mostExplicit)
}

/** The largest value of a register: limited by its bits and by the bits of a hash. */
export const highestRegister = ({ log2m, regwidth }: HllParameters): number => Math.min(2 ** regwidth - 1, 64 - log2m)

/**
 * @throws InvalidInputError naming the parameter that differs, and both values.
 */
export function checkSameParameters(a: HllParameters, b: HllParameters): void {
  for (const name of ['log2m', 'regwidth', 'expthresh', 'sparseon'] as const) {
    if (a[name] === b[name]) continue
    const remedy = name === 'log2m' ? '; fold the finer one to the coarser first' : ''
    throw new InvalidInputError(name, `the two sketches differ: ${a[name]} and ${b[name]}${remedy}`)
  }
}
