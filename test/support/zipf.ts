/**
 * Draws ranks by Zipf's law, the same in every run: rank `r`, from 0, as often as
 * `(r + 1) ** -exponent`.
 */
export function zipf(exponent: number, ranks: number): () => number {
  const below = new Float64Array(ranks)
  let sum = 0
  for (let rank = 0; rank < ranks; rank += 1) below[rank] = sum += (rank + 1) ** -exponent
  let state = 42
  return () => {
    // xorshift32
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    const wanted = ((state >>> 0) / 2 ** 32) * sum
    let [low, high] = [0, ranks - 1]
    while (low < high) {
      const middle = (low + high) >>> 1
      if (below[middle]! < wanted) low = middle + 1
      else high = middle
    }
    return low
  }
}
