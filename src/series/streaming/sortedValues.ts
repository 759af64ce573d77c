/**
 * Numbers in order, for medians of a moving window. Adding and removing take O(log n) to search and
 * then shift what lies above. The median takes O(1), the median absolute deviation O(log n).
 */
export class SortedValues {
  private readonly values: number[] = []

  get size(): number {
    return this.values.length
  }

  add(value: number): void {
    this.values.splice(this.firstFrom(value), 0, value)
  }

  /** Removes one occurrence of a value that was added. */
  remove(value: number): void {
    this.values.splice(this.firstFrom(value), 1)
  }

  /** The value with this rank; 0 is the smallest. */
  at(rank: number): number {
    return this.values[rank]!
  }

  /** The middle value, or the mean of the two in the middle. NaN if there is no value. */
  median(): number {
    return middle(this.size, (rank) => this.at(rank))
  }

  /** The median of the distances to `centre`. NaN if there is no value. */
  medianDeviation(centre: number): number {
    // The distances below the centre and above it are two sorted lists: this finds the middle of
    // their union.
    const split = this.firstFrom(centre)
    const below = (rank: number) => centre - this.values[split - 1 - rank]!
    const above = (rank: number) => this.values[split + rank]! - centre
    return middle(this.size, (rank) => ofTwo(rank, split, below, this.size - split, above))
  }

  /** The index of the first number that is not below `value`. */
  private firstFrom(value: number): number {
    let [low, high] = [0, this.values.length]
    while (low < high) {
      const half = (low + high) >> 1
      if (this.values[half]! < value) low = half + 1
      else high = half
    }
    return low
  }
}

/** The middle of `size` sorted numbers. */
function middle(size: number, at: (rank: number) => number): number {
  if (size === 0) return Number.NaN
  const [low, high] = [at((size - 1) >> 1), at(size >> 1)]
  return low + (high - low) / 2
}

/** The number with this rank in the union of two sorted lists. */
function ofTwo(rank: number, aSize: number, a: (rank: number) => number, bSize: number, b: (rank: number) => number): number {
  let [low, high] = [Math.max(0, rank - bSize), Math.min(rank, aSize)]
  while (low < high) {
    const half = (low + high) >> 1
    if (a(half) < b(rank - half - 1)) low = half + 1
    else high = half
  }
  return Math.min(low < aSize ? a(low) : Infinity, rank - low < bSize ? b(rank - low) : Infinity)
}
