import { openAsBlob } from 'node:fs'
import { PGlite } from '@electric-sql/pglite'
import { age } from '@electric-sql/pglite-age'
import { vector } from '@electric-sql/pglite-pgvector'
import { btree_gist } from '@electric-sql/pglite/contrib/btree_gist'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { Kysely, PGliteDialect } from 'kysely'
import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'

export interface Embedded {
  db: Kysely<{}>
  /** The PGlite instance behind `db`. */
  pglite: PGlite
  /** Closes the database; one in memory is lost then. */
  close(): Promise<void>
}

/**
 * `int8` (20) and its array arrive as strings, as from `pg`: as a number, a bigint above 2^53 would
 * lose its last digits.
 */
export const exactIntegers = { 20: (text: string) => text }

const embeddedOptions = z.strictObject({ dataDir: z.string().optional(), image: z.string().optional() })

/**
 * PostgreSQL in this process: PGlite with Apache AGE, pgvector, pg_trgm and btree_gist; no
 * TimescaleDB or hll.
 *
 * It has one connection: statements run one after another, and during a transaction all other
 * statements wait.
 *
 * @param options `dataDir` is the folder of the database; without it the database is in memory.
 * `image` is a file made by PGlite's `dumpDataDir` to start from, which is faster than an empty
 * database.
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * const { db, close } = await openEmbedded()
 * await migrateUp(db)
 */
export async function openEmbedded(options: { dataDir?: string; image?: string } = {}): Promise<Embedded> {
  const { dataDir, image } = parseOptions(embeddedOptions, options)
  const pglite = await PGlite.create({
    dataDir,
    loadDataDir: image === undefined ? undefined : await openAsBlob(image),
    extensions: { age, vector, pg_trgm, btree_gist },
    parsers: exactIntegers,
  })
  const db = new Kysely<{}>({ dialect: new PGliteDialect({ pglite }) })
  return { db, pglite, close: () => db.destroy() }
}
