const formats = [0, 1, 2, 3].map((digits) => new Intl.NumberFormat('en-GB', { maximumFractionDigits: digits }))

/** A number for a label: three significant digits, thousands grouped. */
export function amount(value: number): string {
  const size = Math.abs(value)
  if (size !== 0 && size < 0.001) return value.toExponential(1)
  return formats[size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3]!.format(value)
}

/** For example `840 ms`, `2.4 s`. */
export const latency = (ms: number): string => (ms >= 1_000 ? `${amount(ms / 1_000)} s` : `${amount(ms)} ms`)

/** A ratio of 0..1 in percent: `12 %`. A ratio above 0 is never shown as `0 %`. */
export const percent = (ratio: number): string => (ratio > 0 && ratio < 0.001 ? '< 0.1 %' : `${amount(Math.round(ratio * 1_000) / 10)} %`)
