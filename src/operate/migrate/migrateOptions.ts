import { z } from 'zod'
import type { EmbeddingDistance, EmbeddingType } from '../../database/installation/installation.ts'
import type { OnWait } from '../../database/transaction/takeTurn.ts'
import { termLanguage, type TermLanguage } from '../../knowledge/terms.ts'
import { boundedText } from '../../schema/text.ts'

/** The options of the first installation; afterwards the database remembers them. */
export interface MigrateOptions {
  /**
   * The schema of our tables, created if missing: any name of at most 63 bytes without `$`, `'` and
   * backslash. Default: `public`.
   */
  schema?: string
  /** AGE graphs are named `<graphPrefix>_<tenant_id>`. Default: `ops`. */
  graphPrefix?: string
  /** The dimension of `kb_chunk.embedding`, 1 to 4,000. Default: 1536. */
  embeddingDimension?: number
  /**
   * The distance that `kb_chunk`'s index orders by: `l2` (Euclidean), `cosine` or `ip` (inner
   * product). Default: `l2`.
   */
  embeddingDistance?: EmbeddingDistance
  /**
   * The type of stored embeddings: `vector`, or `halfvec`, which takes half the space in the table
   * and its index, with about three significant digits. Default: `vector`.
   */
  embeddingType?: EmbeddingType
  /**
   * The language whose words are stemmed in the terms of knowledge: `english`, `german`, ... or
   * `none`. Default: `english`.
   */
  knowledgeLanguage?: TermLanguage
  /** Stops before the next statement, and rolls back. */
  signal?: AbortSignal
  /** Called with the session waited for, if another one is migrating this database. */
  onWait?: OnWait
}

/**
 * PostgreSQL limits a name to 63 bytes; a graph's name also contains the tenant's id, up to 19
 * digits.
 */
export const migrateOptions = z.strictObject({
  // The name is put into the text of functions, where these three characters could end a string.
  schema: boundedText(63)
    .regex(/^[^$'\\]*$/, "must not contain $, ' or \\")
    .optional(),
  graphPrefix: z
    .string()
    .regex(/^[a-z][a-z0-9_]{0,41}$/, 'must be 1 to 42 lower-case letters, digits or underscores, starting with a letter')
    .optional(),
  embeddingDimension: z.int().min(1).max(4000).optional(),
  embeddingDistance: z.enum(['l2', 'cosine', 'ip']).optional(),
  embeddingType: z.enum(['vector', 'halfvec']).optional(),
  knowledgeLanguage: termLanguage.optional(),
  signal: z.instanceof(AbortSignal).optional(),
  onWait: z.custom<OnWait>((value) => typeof value === 'function', 'must be a function').optional(),
})
