/** Whether something that `JSON.parse` gave is an object, and no list. */
export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** A list as it is, and anything else as an empty one. */
export const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : [])
