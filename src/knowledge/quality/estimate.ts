/** A mean over questions, and its standard error. */
export interface QualityMean {
  mean: number
  /**
   * The standard error of the mean, if the questions are a random sample of all questions: in 19 of
   * 20 cases the mean over all is within twice this value. Null with one question.
   */
  standardError: number | null
}

export function meanOf(values: readonly number[]): QualityMean {
  const mean = sum(values) / values.length
  if (values.length < 2) return { mean, standardError: null }
  const variance = sum(values.map((value) => (value - mean) ** 2)) / (values.length - 1)
  return { mean, standardError: Math.sqrt(variance / values.length) }
}

const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0)
