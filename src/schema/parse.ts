import type { z } from 'zod'
import { InvalidInputError } from './errors.ts'

/**
 * Checks a value from outside against a zod schema and returns what the schema makes of it.
 *
 * @throws InvalidInputError naming the first field that is wrong and the value it had.
 */
export function parse<S extends z.ZodType>(schema: S, value: unknown, name: string): z.output<S> {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]!
  const path = issue.path.reduce<string>((path, key) => (typeof key === 'number' ? `${path}[${key}]` : `${path}.${String(key)}`), name)
  throw new InvalidInputError(path, `${issue.message}, got ${preview(valueAt(value, issue.path))}`)
}

/** A value as an error message shows it: JSON, at most 80 characters. */
export function preview(value: unknown): string {
  const text = typeof value === 'bigint' ? `${value}n` : value instanceof Date ? String(value) : (JSON.stringify(value) ?? String(value))
  return text.length > 80 ? `${text.slice(0, 80)}… (${text.length} characters)` : text
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>((inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined), value)
}
