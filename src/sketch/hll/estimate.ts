import { alphaSquares } from './classic.ts'
import { countVariance, valueModel, type RegisterRange } from './registerModel.ts'

/** An estimated number, and how far it may be off. */
export interface Estimate {
  readonly estimate: number
  /** The standard deviation of such estimates around the true number; 0 if the number is exact. */
  readonly standardError: number
  /** Whether the standard error is more than half of the estimate: the number then says little. */
  readonly noise: boolean
}

export function estimateOf(estimate: number, standardError: number): Estimate {
  const error = Number.isNaN(estimate) ? estimate : standardError
  // Written so that NaN counts as noise.
  return { estimate, standardError: error, noise: !(error <= estimate / 2) }
}

/** The standard error of Ertl's estimate, which is within a hundredth of the best possible. */
export const ertlError = (range: RegisterRange, count: number): number =>
  Number.isFinite(count) ? Math.sqrt(countVariance(range, count)) : Number.NaN

/**
 * The standard error of the classic estimate, its bias included: that of linear counting or of the
 * raw estimate. Where the estimator switches, it is in between, by how likely each of them is.
 */
export function classicError(range: RegisterRange, count: number): number {
  if (!Number.isFinite(count)) return Number.NaN
  const { m } = range
  // From there on linear counting is not used, and its error would grow without bounds.
  const load = Math.min(count / m, 5)
  const linear = m * (Math.expm1(load) - load)
  const raw = rawEstimate(range, count)
  const isLinear = normalBelow((2.5 * m - raw.mean) / Math.sqrt(raw.variance))
  const beside = raw.variance + (raw.mean - count) ** 2
  return Math.sqrt(isLinear * linear + (1 - isLinear) * beside)
}

/** Mean and variance of the raw estimate of `count` values, to the first order. */
function rawEstimate(range: RegisterRange, count: number): { mean: number; variance: number } {
  const { probability, slope } = valueModel(range, count)
  let [mean, square, change] = [0, 0, 0]
  for (let value = 0; value <= range.highest; value += 1) {
    const inverse = 2 ** -value
    mean += probability[value]! * inverse
    square += probability[value]! * inverse ** 2
    change += slope[value]! * inverse
  }
  const { m } = range
  const spread = (square - mean ** 2) / (m * mean ** 2)
  const estimate = (alphaSquares(m) / (m * mean)) * (1 + spread)
  const grows = (estimate * change) / mean
  return { mean: estimate, variance: Math.max(0, estimate ** 2 * spread - count * grows ** 2) }
}

/**
 * The probability that a standard normal deviate is below this one; Abramowitz and Stegun 7.1.26,
 * to 1e-7.
 */
function normalBelow(deviate: number): number {
  const x = Math.abs(deviate) / Math.SQRT2
  const t = 1 / (1 + 0.3275911 * x)
  const tail = (((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t * Math.exp(-x * x)) / 2
  return deviate < 0 ? tail : 1 - tail
}
