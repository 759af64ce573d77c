import type { Direction } from '../anomalies/anomaly.ts'
import type { SortedValues } from './sortedValues.ts'

/** How rarely a series goes as far as this. */
export interface Rarity {
  /** The decimal logarithm of once in how many points; 0 when it is nothing special. */
  digits: number
  direction: Direction
}

/** The share of the values that counts as the tail of their distribution. */
const tailShare = 0.01

/** Once in ten thousand million points; what is rarer is not told apart. */
export const mostDigits = 10

/** With fewer values nothing is rare. */
const fewest = 20

/**
 * How rare a value is, up or down, by what went before.
 *
 * The largest `k` values are taken for an exponential tail above the next one: among `n` values,
 * `k / n exp(-(value - next) / scale)` are expected to be this large. The scale is the mean excess
 * of the `k`, or that of an exponential distribution from the median to the next value where this
 * is more. For each `k` of 1, 2, 4 ... up to a hundredth of the values the answer is another one,
 * and the least rare is taken: what happened three times is not surprising again, however far the
 * three lie from all else.
 *
 * `resolution` is a difference that means nothing, in the unit of the values.
 *
 * Literature: the exponential tail above a threshold is the middle case of Pickands, "Statistical
 * Inference Using Extreme Order Statistics" (Annals of Statistics 1975), used on streams by Siffer
 * and others, "Anomaly Detection in Streams with Extreme Value Theory" (KDD 2017).
 */
export function rarityOf(value: number, history: SortedValues, resolution: number): Rarity {
  if (history.size < fewest) return { digits: 0, direction: 'up' }
  const up = digitsAbove(value, history.size, (rank) => history.at(history.size - 1 - rank), resolution)
  const down = digitsAbove(-value, history.size, (rank) => -history.at(rank), resolution)
  return down > up ? { digits: down, direction: 'down' } : { digits: up, direction: 'up' }
}

/** The same on one side; `largest` gives the values from the largest on. */
function digitsAbove(value: number, size: number, largest: (rank: number) => number, resolution: number): number {
  const most = Math.max(3, Math.ceil(size * tailShare))
  if (value <= largest(most)) return 0
  const median = largest(size >> 1)
  let digits = mostDigits
  let [sum, next] = [0, 1]
  for (let count = 1; count <= most; count++) {
    sum += largest(count - 1)
    if (count < next && count < most) continue
    next *= 2
    const base = largest(count)
    if (value <= base) continue
    const scale = Math.max(sum / count - base, (base - median) / Math.log(size / 2 / count), resolution)
    digits = Math.min(digits, Math.log10(size / count) + (value - base) / scale / Math.LN10)
  }
  return digits
}
