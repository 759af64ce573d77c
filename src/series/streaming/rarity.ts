import type { Direction } from '../anomalies/anomaly.ts'
import type { SortedValues } from './sortedValues.ts'

/** How rare a value is. */
export interface Rarity {
  /** The decimal logarithm of "once in how many points"; 0 if it is not rare. */
  digits: number
  direction: Direction
}

/** One in this many values is in the tail of their distribution. */
const tailOf = 100

/** Once in ten billion points; all that is rarer counts the same. */
const mostDigits = 10

/** With fewer values nothing is rare. */
const fewest = 20

/**
 * How rare a value is, upwards or downwards, compared with the values before it.
 *
 * The largest `k` values are taken for an exponential tail above the value next to them: among `n`
 * values `k exp(-(value - next) / scale)` are expected to be this large. The scale is the larger of
 * two estimates: the mean excess of the `k`, and what the distance from the largest twenty-fifth of
 * the values to `next` says. It is computed for `k` = 1, 2, 4 ... up to a hundredth of the values,
 * and the least rare answer wins: what already happened three times is not surprising again,
 * however extreme. A value that is not beyond that hundredth is not rare.
 *
 * `resolution` is a difference without meaning, in the unit of the values.
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

/** The same for one side; `largest` gives the values in descending order. */
function digitsAbove(value: number, size: number, largest: (rank: number) => number, resolution: number): number {
  const tail = Math.max(3, Math.ceil(size / tailOf))
  if (!(value - largest(tail) > resolution)) return 0
  const start = largest(4 * tail)
  let digits = mostDigits
  let [sum, next] = [0, 1]
  for (let count = 1; count <= tail; count++) {
    sum += largest(count - 1)
    if (count < next && count < tail) continue
    next *= 2
    const base = largest(count)
    if (!(value - base > resolution)) continue
    const scale = Math.max(sum / count - base, (base - start) / Math.log((4 * tail) / count), resolution)
    digits = Math.min(digits, Math.log10(size / count) + (value - base) / scale / Math.LN10)
  }
  return digits
}
