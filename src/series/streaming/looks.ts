/** One way to look at the end of a series. */
export interface Look {
  /**
   * `'level'`: the mean of the last `points` values; `'change'`: that less the mean of as many
   * before them.
   */
  of: 'level' | 'change'
  /** How many values are taken together. */
  points: number
}

/**
 * Each four times as coarse as the one before: from a spike of one point to a shift that takes
 * hours to be one.
 */
const scales = [1, 4, 16, 64]

/** All ways in which a series is looked at. */
export const looks: readonly Look[] = scales.flatMap((points): Look[] => [
  { of: 'level', points },
  { of: 'change', points },
])

/** So many values tell what all looks see. */
export const reach = 2 * scales.at(-1)!

/**
 * What each look sees at the value with the index `end`; null where the values do not reach back
 * far enough for it.
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
