import { z } from 'zod'

/** Why PostgreSQL cannot store a text; undefined if it can. */
export function textFlaw(text: string): string | undefined {
  if (text.includes('\u0000')) return 'must not contain the NUL character, which PostgreSQL cannot store'
  return text.isWellFormed() ? undefined : 'must be well-formed Unicode (it has a lone surrogate)'
}

/**
 * Text that PostgreSQL can store: without the NUL character (its `text` has none) and without lone
 * surrogates (not UTF-8).
 */
export const storableText = z.string().superRefine((text, context) => {
  const message = textFlaw(text)
  if (message !== undefined) context.addIssue({ code: 'custom', message })
})

/** Storable text of 1 to `bytes` bytes in UTF-8. */
export const boundedText = (bytes: number) =>
  storableText
    .refine((text) => text.length > 0, 'must not be empty')
    .refine((text) => Buffer.byteLength(text) <= bytes, `must be at most ${bytes} bytes long`)

/** A uniform resource name: 1 to 1,024 bytes. */
export const urnText = boundedText(1024)

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/**
 * The deepest nesting of objects and arrays: the stacks of PostgreSQL's parser and this one are
 * limited.
 */
const maxJsonDepth = 100

/**
 * A JSON object that PostgreSQL's `jsonb` can store, for labels, attributes and metadata: finite
 * numbers, no NUL or lone surrogate in keys and strings, at most 100 levels deep.
 *
 * It is checked in place: a schema that copied it would lose a key named `__proto__`.
 */
export const storableObject = z.custom<Record<string, Json>>(isPlainObject, 'must be a JSON object').superRefine((object, context) => {
  const flaw = jsonFlaw(object)
  if (flaw !== undefined) context.addIssue({ code: 'custom', ...flaw })
})

/** What is wrong with a value, and where in it. */
export interface Flaw {
  path: PropertyKey[]
  message: string
}

/**
 * The problem of a value that should be storable JSON, and its path; undefined if there is no
 * problem.
 */
export function jsonFlaw(value: unknown, path: PropertyKey[] = []): Flaw | undefined {
  if (value === null || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : { path, message: 'must be a finite number' }
  if (typeof value === 'string') return textFlawAt(value, path)
  const isArray = Array.isArray(value)
  if (!isArray && !isPlainObject(value))
    return { path, message: 'must be JSON: text, a number, a boolean, null, an array or a plain object' }
  if (path.length >= maxJsonDepth) return { path: path.slice(0, 1), message: `must not be nested deeper than ${maxJsonDepth} levels` }
  const entries: Iterable<[PropertyKey, unknown]> = isArray ? value.entries() : Object.entries(value)
  for (const [key, inner] of entries) {
    const here = [...path, key]
    const flaw = (typeof key === 'string' ? textFlawAt(key, here) : undefined) ?? jsonFlaw(inner, here)
    if (flaw !== undefined) return flaw
  }
  return undefined
}

function textFlawAt(text: string, path: PropertyKey[]): Flaw | undefined {
  const message = textFlaw(text)
  return message === undefined ? undefined : { path, message }
}

export function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}
