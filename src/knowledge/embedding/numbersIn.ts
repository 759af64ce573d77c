/**
 * An array unchanged, or the numbers of a typed array, which models in the same process often
 * return; undefined for any other value.
 */
export function numbersIn(value: unknown): readonly number[] | undefined {
  if (Array.isArray(value)) return value
  return value instanceof Float32Array || value instanceof Float64Array ? [...value] : undefined
}

/** Says what a function returned instead of an array. */
export const insteadOfArray = (value: unknown, wanted: string): string =>
  value === null || value === undefined
    ? `gave ${value}, not an array of ${wanted}: is a return missing?`
    : `gave an answer that is ${kindOfValue(value)}, not an array of ${wanted}`

/** The kind of a value that is not an array. */
export const kindOfValue = (value: unknown): string => (value === null || value === undefined ? 'missing' : `of the type ${typeof value}`)
