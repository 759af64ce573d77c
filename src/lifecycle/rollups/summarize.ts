import { sql, type Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { withShortLocks, type ShortLockOptions } from '../partitions/shortLock.ts'

/**
 * Updates the block-range indexes of a table's chunks to its last rows.
 *
 * The server does this during vacuum, which is rare for a growing table; blocks that are not
 * summarized are read for every hour. Readers and writers are not blocked; if a vacuum is running,
 * it is left to that.
 */
export async function summarizeNewRows(
  db: Kysely<{}>,
  installation: Installation,
  table: string,
  { signal }: ShortLockOptions = {},
): Promise<void> {
  await withShortLocks(
    db,
    installation,
    (trx) =>
      sql`
        select sum(brin_summarize_new_values(index.indexrelid))
        from pg_catalog.pg_inherits as child
        join pg_catalog.pg_index as index on index.indrelid = child.inhrelid
        join pg_catalog.pg_class as class on class.oid = index.indexrelid
        join pg_catalog.pg_am as method on method.oid = class.relam
        where child.inhparent = ${qualified(installation, table)}::text::regclass and method.amname = 'brin' and class.relkind = 'i'
      `.execute(trx),
    { attempts: 1, signal },
  )
}
