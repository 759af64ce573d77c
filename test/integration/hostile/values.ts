/** A value deeper than any stack. */
function nested(depth: number): unknown {
  let value: unknown = []
  for (let level = 0; level < depth; level += 1) value = [value]
  return value
}

/**
 * What no type of an option allows, or what lies at the end of what it allows: values of every kind
 * that have broken other software.
 */
export const hostileValues: readonly (readonly [name: string, value: unknown])[] = [
  ['undefined', undefined],
  ['null', null],
  ['true', true],
  ['0', 0],
  ['-0', -0],
  ['-1', -1],
  ['0.5', 0.5],
  ['1e308', 1e308],
  ['NaN', Number.NaN],
  ['Infinity', Number.POSITIVE_INFINITY],
  ['2^63', 2 ** 63],
  ['2^63 as a bigint', 2n ** 63n],
  ['an empty text', ''],
  ['a text with NUL', 'a\0b'],
  ['a lone surrogate', '\ud800'],
  ['a quote', `'"\\`],
  ['the name of a prototype', '__proto__'],
  ['a text of a megabyte', 'x'.repeat(1_000_000)],
  ['a number as text', '99999999999999999999'],
  ['an empty array', []],
  ['an array of nothing', [undefined]],
  ['an array of texts', ['a', 'a\0b']],
  ['an array nested 20,000 times', nested(20_000)],
  ['an empty object', {}],
  ['an object with a key __proto__', JSON.parse('{"__proto__": {"a": "b\\u0000"}}') as unknown],
  ['an object nested 20,000 times', { deep: nested(20_000) }],
  ['an object without a prototype', Object.create(null)],
  ["JavaScript's earliest date", new Date(-8.64e15)],
  ["JavaScript's latest date", new Date(8.64e15)],
  ['a date of the year 10000', new Date(Date.UTC(10_000, 0))],
  ['a date before the year 1', new Date('-000001-01-01T00:00:00Z')],
  ['no date', new Date(Number.NaN)],
  ['a symbol', Symbol('a')],
  ['a map', new Map([['a', 1]])],
  ['a pattern', /a/],
]

/**
 * Where values stand in a value: every key of plain objects and arrays, at every depth, and the
 * value itself.
 */
export function placesIn(value: unknown, path: readonly PropertyKey[] = []): PropertyKey[][] {
  if (typeof value !== 'object' || value === null) return [[...path]]
  const isPlain = Array.isArray(value) || Object.getPrototypeOf(value) === Object.prototype
  const inner = isPlain
    ? Object.entries(value).flatMap(([key, part]) => placesIn(part, [...path, Array.isArray(value) ? Number(key) : key]))
    : []
  return [[...path], ...inner]
}

/** The value with another one in one of its places. */
export function placed(value: unknown, [key, ...rest]: readonly PropertyKey[], put: unknown): unknown {
  if (key === undefined) return put
  if (Array.isArray(value)) return value.map((part: unknown, at) => (at === key ? placed(part, rest, put) : part))
  const entries = Object.entries(value as object)
  return Object.fromEntries(entries.map(([name, part]) => [name, name === key ? placed(part, rest, put) : (part as unknown)]))
}
