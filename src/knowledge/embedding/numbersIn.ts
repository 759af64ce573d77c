/**
 * An array of anything as it is, and the numbers of a typed one, which models in this process often
 * give; undefined for what is neither.
 */
export function numbersIn(value: unknown): readonly number[] | undefined {
  if (Array.isArray(value)) return value
  return value instanceof Float32Array || value instanceof Float64Array ? [...value] : undefined
}

/** What a function gave instead of an array of what was asked for. */
export const insteadOfArray = (value: unknown, wanted: string): string =>
  value === null || value === undefined
    ? `gave ${value}, not an array of ${wanted}: is a return missing?`
    : `gave an answer that is ${kindOfValue(value)}, not an array of ${wanted}`

/** What a value is, where it is not what was asked for. */
export const kindOfValue = (value: unknown): string => (value === null || value === undefined ? 'missing' : `of the type ${typeof value}`)
