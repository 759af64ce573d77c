/** One way to look at the end of a series. */
export interface Look {
  /**
   * `'level'`: the mean of the last `points` values. `'change'`: that mean minus the mean of as
   * many values before them.
   */
  of: 'level' | 'change'
  /** The number of values in a mean. */
  points: number
}

/**
 * Each is four times as coarse as the one before: from a spike of one point to a shift over hours.
 */
const scales = [1, 4, 16, 64]

/** All ways to look at a series. */
export const looks: readonly Look[] = scales.flatMap((points): Look[] => [
  { of: 'level', points },
  { of: 'change', points },
])

/** The number of values that all looks together need. */
export const reach = 2 * scales.at(-1)!

/**
 * What each look sees at the value with the index `end`; null for a look that needs more values.
 */
export function seen(values: readonly number[], end: number): (number | null)[] {
  const sums = [0]
  for (let count = 1; count <= reach && count <= end + 1; count++) sums.push(sums[count - 1]! + values[end - count + 1]!)
  return looks.map(({ of, points }) => {
    const [recent, both] = [sums[points], sums[2 * points]]
    if (recent === undefined) return null
    if (of === 'level') return recent / points
    return both === undefined ? null : (recent - (both - recent)) / points
  })
}
