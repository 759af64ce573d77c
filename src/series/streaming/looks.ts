/** One way to look at the end of a series. */
export interface Look {
  /**
   * `'level'`: the mean of the last `points` values. `'change'`: that mean minus the mean of as
   * many values before them. `'variation'`: the mean distance of the last `points` values from the
   * value before each.
   */
  of: 'level' | 'change' | 'variation'
  /** The number of values in a mean. */
  points: number
}

/**
 * Each is four times as coarse as the one before: from a spike of one point to a shift over hours.
 */
const scales = [1, 4, 16, 64, 256]

/** All ways to look at a series. The variation of one point would be its change without a sign. */
export const looks: readonly Look[] = scales.flatMap((points): Look[] => [
  { of: 'level', points },
  { of: 'change', points },
  ...(points > 1 ? [{ of: 'variation', points } as const] : []),
])

/** The number of values that all looks together need. */
export const reach = 2 * scales.at(-1)!

/** What each look sees; NaN for a look that needs more values. */
export type View = readonly number[]

/**
 * The last values of a series, as all looks see them.
 *
 * A sum of many values is one of four sums of a quarter of them. So it does not depend on the
 * values before them, and `sql/surprises.sql` gives the same bits.
 */
export class Sights {
  private values: number[] = []
  private sums: number[][] = scales.map(() => [])
  private steps: number[][] = scales.map(() => [])
  private largest: number[][] = scales.map(() => [])

  /** The number of values that are kept. */
  get size(): number {
    return this.values.length
  }

  add(value: number): void {
    const end = this.values.push(value) - 1
    const step = end === 0 ? Number.NaN : Math.abs(value - this.values[end - 1]!)
    for (const [scale] of scales.entries()) {
      const quarters = (of: number[][]) => [0, 1, 2, 3].map((back) => of[scale - 1]![end - back * scales[scale - 1]!])
      const sum = (of: number[][]) => quarters(of).reduce<number>((total, each) => total + (each ?? Number.NaN), 0)
      this.sums[scale]!.push(scale === 0 ? value : sum(this.sums))
      this.steps[scale]!.push(scale === 0 ? step : sum(this.steps))
      this.largest[scale]!.push(scale === 0 ? Math.abs(value) : Math.max(...quarters(this.largest).map((each) => each ?? 0)))
    }
  }

  /** What the looks saw when the value with this index arrived. */
  at(end: number): View {
    return looks.map(({ of, points }) => {
      const scale = scales.indexOf(points)
      if (of === 'variation') return this.steps[scale]![end]! / points
      const sum = this.sums[scale]![end]!
      return (of === 'level' ? sum : sum - (this.sums[scale]![end - points] ?? Number.NaN)) / points
    })
  }

  /** The largest magnitude of the last {@link reach} values. */
  magnitude(): number {
    const [largest, end] = [this.largest.at(-1)!, this.values.length - 1]
    return Math.max(largest[end]!, largest[end - scales.at(-1)!] ?? 0)
  }

  /** The value with this index. */
  value(index: number): number {
    return this.values[index]!
  }

  /** Forgets the oldest `count` values; the indexes of all others fall by as many. */
  forget(count: number): void {
    this.values = this.values.slice(count)
    const cut = (of: number[][]) => of.map((each) => each.slice(count))
    this.sums = cut(this.sums)
    this.steps = cut(this.steps)
    this.largest = cut(this.largest)
  }
}
