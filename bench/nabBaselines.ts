/** The same score for every row: what the rules make of a detector that knows nothing. */
export const constantScores = (values: readonly number[]): number[] => values.map(() => 0.5)

const windowLength = 6_400
const step = 100

/**
 * The windowed Gaussian of the benchmark's own repository: one less the probability of a value further out than this one, were the last 6,400 values
 * (renewed a hundred at a time) all that a normal distribution is known by. NaN is passed over.
 */
export function windowedGaussianScores(values: readonly number[]): number[] {
  const window: number[] = []
  let known = new Moments()
  return values.map((value) => {
    if (Number.isNaN(value)) return 0
    const score = window.length === 0 ? 0 : 1 - upperTail(Math.abs(value - known.mean) / known.deviation())
    window.push(value)
    if (window.length <= windowLength) known.add(value)
    else if (window.length === windowLength + step) {
      window.splice(0, step)
      known = new Moments()
      for (const each of window) known.add(each)
    }
    return score
  })
}

/** Mean and standard deviation in one pass, as Welford takes them: those of equal values are exact. */
class Moments {
  mean = 0
  private count = 0
  private squares = 0

  add(value: number): void {
    this.count += 1
    const before = value - this.mean
    this.mean += before / this.count
    this.squares += before * (value - this.mean)
  }

  deviation(): number {
    return Math.sqrt(this.squares / this.count) || 1e-6
  }
}

const chebyshev = [
  -1.26551223, 1.00002368, 0.37409196, 0.09678418, -0.18628806, 0.27886807, -1.13520398, 1.48851587, -0.82215223, 0.17087277,
]

/** The probability that a standard normal variable is above `z`, for `z >= 0`; relative error 1.2e-7 (Numerical Recipes, section 6.2). */
export function upperTail(z: number): number {
  const t = 1 / (1 + z / Math.SQRT2 / 2)
  return (t / 2) * Math.exp((-z * z) / 2 + chebyshev.reduceRight((sum, coefficient) => sum * t + coefficient, 0))
}
