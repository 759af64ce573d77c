import type { z } from 'zod'
import { InvalidInputError } from './errors.ts'
import { knownKeys } from './knownKeys.ts'
import { plainWords } from './plainWords.ts'

/**
 * Checks an input value against a zod schema and returns the schema's output.
 *
 * @throws InvalidInputError naming the first wrong field and its value.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, name: string): z.output<S> {
  const result = schema.safeParse(value, { error: plainWords })
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  throw refusal(issue, { schema, value, name })
}

/**
 * Checks an options object. Fields are named as the caller wrote them: `range.from`, not
 * `options.range.from`.
 *
 * @throws InvalidInputError naming the first wrong field and its value; `options` if there is no
 * field.
 * @example
 * const { range, limit } = parseOptions(slowestDependenciesOptions, options)
 */
export function parseOptions<S extends z.ZodType>(schema: S, options: unknown): z.output<S> {
  const result = schema.safeParse(options, { error: plainWords })
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  throw refusal(issue, { schema, value: options, name: issue.path.length === 0 ? 'options' : '' })
}

function refusal(issue: z.core.$ZodIssue, { schema, value, name }: { schema: z.ZodType; value: unknown; name: string }): InvalidInputError {
  const path = pathText(name, issue.path)
  const given = valueAt(value, issue.path)
  return new InvalidInputError(
    path,
    `${problemOf(issue, schema, value)}, got ${isSecret(issue.path.at(-1)) ? withheld(given) : preview(given)}`,
  )
}

/**
 * zod writes unknown keys into its message unchanged; here they are shortened, and quoted as JSON,
 * with the keys that there are.
 */
function problemOf(issue: z.core.$ZodIssue, schema: z.ZodType, value: unknown): string {
  if (issue.code !== 'unrecognized_keys') return issue.message
  const known = knownKeys(schema, value, issue.path)
  const all = known.length === 0 ? '' : ` (it has ${known.join(', ')})`
  return `has no ${issue.keys.length === 1 ? 'key' : 'keys'} ${preview(issue.keys.join(', '))}${all}`
}

/** A path as one writes it: `metrics[17].labels.host`. */
export const pathText = (name: string, path: readonly PropertyKey[]): string =>
  path.reduce<string>((text, key) => text + step(key), name).replace(/^\./, '')

/**
 * A key in a path. Keys are input too: one that is not a plain name is quoted and shortened, so
 * that it cannot break a line of a log.
 */
const step = (key: PropertyKey): string => {
  if (typeof key === 'number') return `[${key}]`
  const name = String(key)
  return /^[\w-]{1,80}$/.test(name) ? `.${name}` : `[${preview(name)}]`
}

/** Fields whose values must not be in messages, since messages are logged. */
const secrets: ReadonlySet<PropertyKey> = new Set(['hashKey'])

const isSecret = (key: PropertyKey | undefined): boolean => key !== undefined && secrets.has(key)

/** Replaces a secret in a message. */
const withheld = (value: unknown): string => (typeof value === 'string' ? `${value.length}, which are not shown` : typeof value)

/**
 * A value in an error message: JSON, at most 80 characters, without secrets. NaN and infinities,
 * which JSON does not have, are shown by name.
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

/** JSON; for a value without JSON (circular, or too deep for the stack), JavaScript's own text. */
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
  // Functions can have properties too.
  const has = (inner: unknown): inner is object => (typeof inner === 'object' && inner !== null) || typeof inner === 'function'
  return path.reduce<unknown>((inner, key) => (has(inner) ? Reflect.get(inner, key) : undefined), value)
}
