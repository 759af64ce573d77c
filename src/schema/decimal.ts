/** A number as the fraction of its decimal notation: 0.07 is 7 / 100. */
export interface DecimalFraction {
  readonly numerator: number
  readonly denominator: number
}

/** Powers of ten up to this one are exact in a double. */
const mostDecimals = 22

/**
 * The fraction of the decimal that a person typed: that of the shortest decimal for this double.
 *
 * `0.07 * 100` is 7.000000000000001, and `1 - 0.9` is not `0.1`: a double is seldom exactly the
 * decimal that was typed. With whole numbers, `count * 7 / 100` is rounded once, and is exact if
 * the result is a whole number. A number with more than 22 decimal places is returned over 1,
 * unchanged.
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
