import type { z } from 'zod'

/**
 * Replaces zod's messages by plain ones, without the field before and the value after, which our
 * errors add: `must be at least 1`. Passed to `safeParse` as `error`; a schema's own message takes
 * precedence.
 */
export const plainWords: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type':
      return `must be ${kindOf(issue.expected, issue.input)}`
    case 'invalid_value':
      return `must be ${oneOf(issue.values)}`
    case 'too_small':
      return bound(issue.origin, { above: true, limit: issue.minimum, inclusive: issue.inclusive ?? true, exact: issue.exact })
    case 'too_big':
      return bound(issue.origin, { above: false, limit: issue.maximum, inclusive: issue.inclusive ?? true, exact: issue.exact })
    case 'not_multiple_of':
      return `must be a multiple of ${issue.divisor}`
    case 'invalid_format':
      return issue.format === 'regex' ? `must match ${issue.pattern}` : `must be a valid ${formats[issue.format] ?? issue.format}`
    case 'invalid_union':
      return anyOf(issue.errors)
    case 'invalid_key':
    case 'invalid_element':
      return `has a ${issue.code === 'invalid_key' ? 'key' : 'value'} that is wrong`
    case 'unrecognized_keys':
      return undefined
    case 'custom':
      return 'is not valid'
  }
}

const formats: Readonly<Record<string, string>> = { url: 'URL', uuid: 'UUID', email: 'e-mail address', datetime: 'time' }

const kinds: Readonly<Record<string, string>> = {
  int: 'a whole number',
  string: 'text',
  boolean: 'true or false',
  array: 'an array',
  tuple: 'an array',
  object: 'an object',
  record: 'an object',
  map: 'a Map',
  set: 'a Set',
  null: 'null',
  undefined: 'left out',
  never: 'left out',
}

/**
 * What the value must be. NaN and infinities are already numbers to JavaScript, and an invalid
 * `Date` is a `Date`: so they must be a finite number and a valid Date.
 */
function kindOf(expected: string, input: unknown): string {
  if (expected === 'number') return typeof input === 'number' ? 'a finite number' : 'a number'
  if (expected === 'date') return input instanceof Date ? 'a valid Date' : 'a Date'
  return kinds[expected] ?? `${/^[aeiou]/i.test(expected) ? 'an' : 'a'} ${expected}`
}

const oneOf = (values: readonly unknown[]): string => {
  const shown = values.map((value) => (typeof value === 'string' ? JSON.stringify(value) : String(value)))
  return shown.length === 1 ? shown[0]! : `one of ${shown.join(', ')}`
}

/** Types whose size is limited; for any other, the value is. */
const sizes: Readonly<Record<string, string>> = { string: 'character', array: 'item', set: 'item', map: 'item' }

interface Bound {
  above: boolean
  limit: unknown
  inclusive: boolean
  exact: boolean | undefined
}

function bound(origin: string, { above, limit, inclusive, exact = false }: Bound): string {
  const shown = limit instanceof Date ? limit.toISOString() : String(limit)
  const unit = sizes[origin]
  const how = exact ? 'exactly' : inclusive ? (above ? 'at least' : 'at most') : above ? 'more than' : 'less than'
  if (unit === undefined) return `must be ${exact ? '' : `${how} `}${shown}`
  return above && inclusive && !exact && shown === '1'
    ? 'must not be empty'
    : `must have ${how} ${shown} ${unit}${shown === '1' ? '' : 's'}`
}

/**
 * The problem of a value for which one of several schemas must hold: their messages, if they are
 * about the whole value; otherwise the message of the schema that got furthest into it.
 */
function anyOf(errors: readonly (readonly z.core.$ZodIssue[])[]): string {
  const said = errors.map(([first]) => first).filter((first) => first !== undefined)
  const own = said.filter(({ path }) => path.length === 0).map(({ message }) => message)
  const kinds = own.map((message) => /^must be (.*)$/s.exec(message)?.[1])
  if (kinds.length > 0 && kinds.length === said.length && kinds.every((kind) => kind !== undefined))
    return `must be ${[...new Set(kinds)].join(' or ')}`
  const inner = said.find(({ path }) => path.length > 0)
  return inner === undefined ? (own[0] ?? 'is not valid') : `${inner.path.map(String).join('.')} ${inner.message}`
}
