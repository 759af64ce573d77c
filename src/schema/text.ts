import { z } from 'zod'

const hasNul = (text: string) => text.includes('\u0000')
const isWellFormed = (text: string) => text.isWellFormed()

/** Text PostgreSQL can store: no NUL character (its `text` has none) and no lone surrogate (not UTF-8). */
export const storableText = z
  .string()
  .refine((text) => !hasNul(text), 'must not contain the NUL character, which PostgreSQL cannot store')
  .refine(isWellFormed, 'must be well-formed Unicode (it has a lone surrogate)')

/** Storable text of 1 to `bytes` bytes in UTF-8. */
export const boundedText = (bytes: number) =>
  storableText
    .refine((text) => text.length > 0, 'must not be empty')
    .refine((text) => Buffer.byteLength(text) <= bytes, `must be at most ${bytes} bytes long`)

/** A uniform resource name: 1 to 1,024 bytes. */
export const urnText = boundedText(1024)

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json }

/** JSON that PostgreSQL's `jsonb` can store: finite numbers, and in every key and string neither NUL nor a lone surrogate. */
export const storableJson: z.ZodType<Json> = z.lazy(() =>
  z.union([storableText, z.number(), z.boolean(), z.null(), z.array(storableJson), z.record(storableText, storableJson)]),
)

/** A JSON object with storable keys and values, as labels, attributes and metadata are. */
export const storableObject = z.record(storableText, storableJson)
