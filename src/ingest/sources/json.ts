/** Whether a result of `JSON.parse` is an object and not an array. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** An array unchanged; an empty array for any other value. */
export const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
