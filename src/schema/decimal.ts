/** A number as the fraction that its decimal notation is: 0.07 is 7 / 100. */
export interface DecimalFraction {
  readonly numerator: number
  readonly denominator: number
}

/** The powers of ten that a double holds exactly go so far. */
const mostDecimals = 22

/**
 * The fraction that a person means who types a decimal: that of the shortest decimal which is this
 * double.
 *
 * `0.07 * 100` is 7.000000000000001, and `1 - 0.9` is not `0.1`: a double is seldom the decimal it
 * was typed as. With whole numbers in its place, `count * 7 / 100` is rounded once, and is exact
 * where the result is a whole number. A number that is no decimal of at most 22 places stands over
 * 1, as it is.
 *
 * @example
 * decimalFraction(0.999) // { numerator: 999, denominator: 1000 }
 */
export function decimalFraction(value: number): DecimalFraction {
  for (let decimals = 0; decimals <= mostDecimals; decimals += 1) {
    const denominator = 10 ** decimals
    const numerator = Math.round(value * denominator)
    if (!Number.isSafeInteger(numerator)) break
    // Both are exact, so the quotient is the double nearest to the decimal.
    if (numerator / denominator === value) return { numerator, denominator }
  }
  return { numerator: value, denominator: 1 }
}

/** The decimal `share` of an amount, rounded once: `partOf(0.07, 100)` is 7. */
export function partOf(share: number, amount: number): number {
  const { numerator, denominator } = decimalFraction(share)
  return (amount * numerator) / denominator
}
