/** The values of a moving window in order, in one array of doubles: what a program that has the points in memory would keep. */
export class SortedWindow {
  private readonly values: Float64Array
  size = 0

  constructor(length: number) {
    this.values = new Float64Array(length)
  }

  add(value: number): void {
    const place = this.placeOf(value)
    this.values.copyWithin(place + 1, place, this.size)
    this.values[place] = value
    this.size++
  }

  /** One out, one in: only what is between both moves. */
  replace(old: number, value: number): void {
    const gone = this.placeOf(old)
    const place = this.placeOf(value)
    if (gone < place) {
      this.values.copyWithin(gone, gone + 1, place)
      this.values[place - 1] = value
    } else {
      this.values.copyWithin(place + 1, place, gone)
      this.values[place] = value
    }
  }

  quantile(q: number): number {
    const rank = q * (this.size - 1)
    const below = Math.floor(rank)
    const low = this.values[below]!
    return rank === below ? low : low + (rank - below) * (this.values[below + 1]! - low)
  }

  medianDeviation(middle: number): number {
    const { values, size } = this
    const half = (size + 1) >> 1
    let [low, high] = [0, size - half]
    while (low < high) {
      const between = (low + high) >> 1
      if (middle - values[between]! > values[between + half]! - middle) low = between + 1
      else high = between
    }
    const reach = Math.max(middle - values[low]!, values[low + half - 1]! - middle)
    if (size % 2 === 1) return reach
    const below = low > 0 ? middle - values[low - 1]! : Infinity
    const above = low + half < size ? values[low + half]! - middle : Infinity
    return (reach + Math.min(below, above)) / 2
  }

  private placeOf(value: number): number {
    let [low, high] = [0, this.size]
    while (low < high) {
      const between = (low + high) >> 1
      if (this.values[between]! < value) low = between + 1
      else high = between
    }
    return low
  }
}
