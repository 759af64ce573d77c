/*
 * What the registers of a sketch say about the number of values. In Ertl's model that number is
 * Poisson distributed, which makes the registers independent. With a mean of n values, register
 * value k has the probability exp(-n/(m 2^k)) (1 - exp(-n/(m 2^k))), except for the lowest and the
 * highest value.
 *
 * Literature: Ertl, "New cardinality estimation algorithms for HyperLogLog sketches" (2017).
 */

/** The registers of a model: `m` of them, with values from 0 to `highest`. */
export interface RegisterRange {
  readonly m: number
  readonly highest: number
}

/** The probabilities of the register values, and their derivatives by the mean. */
export interface ValueModel {
  readonly probability: Float64Array
  readonly slope: Float64Array
}

/** The share of a value's weight that a register value k stands for: 1 / (m 2^k). */
export const rateOf = ({ m, highest }: RegisterRange, value: number): number => 1 / (m * 2 ** Math.min(value, highest - 1))

export function valueModel(range: RegisterRange, mean: number): ValueModel {
  const probability = new Float64Array(range.highest + 1)
  const slope = new Float64Array(range.highest + 1)
  for (let value = 0; value <= range.highest; value += 1) {
    const rate = rateOf(range, value)
    const none = Math.exp(-mean * rate)
    const some = -Math.expm1(-mean * rate)
    probability[value] = value === 0 ? none : value === range.highest ? some : none * some
    slope[value] = rate * none * (value === 0 ? -1 : value === range.highest ? 1 : none - some)
  }
  return { probability, slope }
}

/**
 * The variance of the best estimate of the number of values, for `count` values.
 *
 * It is the variance of the best estimate of the Poisson mean (the inverse of the Fisher
 * information), minus the variance of the number itself in that model: here the number is not
 * random, it is what we estimate.
 */
export function countVariance(range: RegisterRange, count: number): number {
  const { probability, slope } = valueModel(range, count)
  let information = 0
  for (let value = 0; value <= range.highest; value += 1)
    if (probability[value]! > 0) information += (range.m * slope[value]! ** 2) / probability[value]!
  return Math.max(0, 1 / information - count)
}
