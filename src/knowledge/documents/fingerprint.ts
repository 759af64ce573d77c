import { createHash } from 'node:crypto'
import type { Json } from '../../schema/text.ts'

/**
 * A fingerprint is 32 bytes: 12 of how something was embedded, 20 of what it is. SQL can so tell
 * whether the same text was embedded by another model, and say by which one it is now.
 */
export const howBytes = 12

/** Part of every fingerprint: it goes up when they are made of something else. */
const version = 1

/** How a chunk is found. */
export type Embedded =
  /** By its words alone. */
  | { by: 'nobody' }
  /** By our call of the model. */
  | { by: 'model'; model: string | null; dimension: number }
  /** By an embedding that was brought along. */
  | { by: 'caller'; model: string | null; dimension: number; embedding: readonly number[] }

/** The first part of a fingerprint, in hexadecimal digits. */
export const howOf = (embedded: Embedded): string => digest({ version, ...embedded }, howBytes)

/** The second part of a fingerprint, in hexadecimal digits. */
export const whatOf = (what: Readonly<Record<string, unknown>>): string => digest({ version, ...what }, 32 - howBytes)

/** The first part of one: how it was embedded. */
export const howIn = (fingerprint: string): string => fingerprint.slice(0, 2 * howBytes)

/** The second part of one: what it is. */
export const whatIn = (fingerprint: string): string => fingerprint.slice(2 * howBytes)

/** How a whole document is embedded: as all of its chunks are, or in several ways. */
export function howOfAll(chunks: readonly string[], none: string): string {
  const [first = none] = chunks
  return chunks.every((how) => how === first) ? first : digest(chunks, howBytes)
}

const digest = (value: unknown, bytes: number): string =>
  createHash('sha256').update(JSON.stringify(value)).digest().subarray(0, bytes).toString('hex')

/**
 * The same object with its keys in one order, as `jsonb` does not keep the one they were given in.
 */
export function ordered(value: Json): Json {
  if (Array.isArray(value)) return value.map(ordered)
  if (typeof value !== 'object' || value === null) return value
  // From entries, since an assignment would lose a key named `__proto__`.
  return Object.fromEntries(
    Object.entries(value)
      .toSorted(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, ordered(inner)]),
  )
}
