import { createHash } from 'node:crypto'
import type { Json } from '../../schema/text.ts'

/**
 * A fingerprint is 32 bytes: 12 about how something was embedded, and 20 about its content. SQL can
 * compare the parts: the same text by another model differs in the first part alone.
 */
export const howBytes = 12

/** Part of every fingerprint. Raise it when fingerprints are computed differently. */
const version = 1

/** Where the embedding of a chunk comes from. */
export type Embedded =
  /** There is no embedding; a search by words finds the chunk. */
  | { by: 'nobody' }
  /** From a call of the model by this library. */
  | { by: 'model'; model: string | null; dimension: number }
  /** From the caller. */
  | { by: 'caller'; model: string | null; dimension: number; embedding: readonly number[] }

/** The first part of a fingerprint (how), in hexadecimal digits. */
export const howOf = (embedded: Embedded): string => digest({ version, ...embedded }, howBytes)

/** The second part of a fingerprint (content), in hexadecimal digits. */
export const whatOf = (what: Readonly<Record<string, unknown>>): string => digest({ version, ...what }, 32 - howBytes)

/** The first part of a fingerprint: how it was embedded. */
export const howIn = (fingerprint: string): string => fingerprint.slice(0, 2 * howBytes)

/** The second part of a fingerprint: the content. */
export const whatIn = (fingerprint: string): string => fingerprint.slice(2 * howBytes)

/** How a whole document is embedded: in the one way of all its chunks, or in several ways. */
export function howOfAll(chunks: readonly string[], none: string): string {
  const [first = none] = chunks
  return chunks.every((how) => how === first) ? first : digest(chunks, howBytes)
}

const digest = (value: unknown, bytes: number): string =>
  createHash('sha256').update(JSON.stringify(value)).digest().subarray(0, bytes).toString('hex')

/** The same value with the keys of its objects sorted, since `jsonb` does not keep their order. */
export function ordered(value: Json): Json {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null) return value
  // `fromEntries`, since an assignment would lose a key named `__proto__`.
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner)]),
  )
}
