import type { z } from 'zod'
import { InvalidInputError } from './errors.ts'
import { plainWords } from './plainWords.ts'

/**
 * Checks a value from outside against a zod schema and returns what the schema makes of it.
 *
 * @throws InvalidInputError naming the first field that is wrong and the value it had.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, name: string): z.output<S> {
  const result = schema.safeParse(value, { error: plainWords })
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  throw refusal(issue, value, name)
}

/**
 * Checks an options object. A field is named as the caller wrote it: `range.from`, not
 * `options.range.from`.
 *
 * @throws InvalidInputError naming the first field that is wrong and the value it had; `options`
 * where no field is.
 * @example
 * const { range, limit } = parseOptions(slowestDependenciesOptions, options)
 */
export function parseOptions<S extends z.ZodType>(schema: S, options: unknown): z.output<S> {
  const result = schema.safeParse(options, { error: plainWords })
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  throw refusal(issue, options, issue.path.length === 0 ? 'options' : '')
}

function refusal(issue: z.core.$ZodIssue, value: unknown, name: string): InvalidInputError {
  const path = issue.path.reduce<string>((path, key) => path + step(key), name).replace(/^\./, '')
  const given = valueAt(value, issue.path)
  return new InvalidInputError(path, `${problemOf(issue)}, got ${isSecret(issue.path.at(-1)) ? withheld(given) : preview(given)}`)
}

/**
 * zod writes unknown keys into its message as they are; here they are bounded, and quoted as JSON.
 */
const problemOf = (issue: z.core.$ZodIssue): string =>
  issue.code === 'unrecognized_keys'
    ? `has no ${issue.keys.length === 1 ? 'key' : 'keys'} ${preview(issue.keys.join(', '))}`
    : issue.message

/**
 * A key as a path shows it. Keys come from outside too: one that is no plain name is quoted and
 * bounded, so that it cannot break a line of a log.
 */
const step = (key: PropertyKey): string => {
  if (typeof key === 'number') return `[${key}]`
  const name = String(key)
  return /^[\w-]{1,80}$/.test(name) ? `.${name}` : `[${preview(name)}]`
}

/** Fields whose values no message may show: messages are logged. */
const secrets: ReadonlySet<PropertyKey> = new Set(['hashKey'])

const isSecret = (key: PropertyKey | undefined): boolean => key !== undefined && secrets.has(key)

/** What a message says instead of a secret. */
const withheld = (value: unknown): string => (typeof value === 'string' ? `${value.length}, which are not shown` : typeof value)

/**
 * A value as an error message shows it: JSON, at most 80 characters, secrets withheld. JSON has no
 * NaN and no infinities: they are shown by their names.
 */
export function preview(value: unknown): string {
  const text =
    typeof value === 'bigint'
      ? `${value}n`
      : value instanceof Date
        ? dateText(value)
        : typeof value === 'number'
          ? String(value)
          : json(value)
  return text.length > 80 ? `${text.slice(0, 80).toWellFormed()}… (${text.length} characters)` : text
}

const dateText = (date: Date) => (Number.isNaN(date.getTime()) ? String(date) : date.toISOString())

/**
 * JSON; or, of what has none (it goes round in a circle, or deeper than the stack), what JavaScript
 * calls it.
 */
function json(value: unknown): string {
  try {
    return JSON.stringify(value, shown) ?? String(value)
  } catch {
    return Object.prototype.toString.call(value)
  }
}

function shown(key: string, value: unknown): unknown {
  if (isSecret(key)) return withheld(value)
  return typeof value === 'number' && !Number.isFinite(value) ? String(value) : value
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  // Functions have properties too.
  const has = (inner: unknown): inner is object => (typeof inner === 'object' && inner !== null) || typeof inner === 'function'
  return path.reduce<unknown>((inner, key) => (has(inner) ? Reflect.get(inner, key) : undefined), value)
}
