import { sql, type Kysely } from 'kysely'
import type { Installation } from '../../database/installation/installation.ts'

/** The index that searches by embedding use. */
export const vectorIndex = 'idx_kb_vec_hnsw'

/**
 * Its name during the build; an index with this name later is left over from a build that was
 * killed.
 */
export const unfinishedVectorIndex = `${vectorIndex}_new`

/** An index of `kb_chunk` in the server's catalog. */
export interface FoundIndex {
  name: string
  /** False if its build was interrupted: no search uses it then. */
  valid: boolean
  bytes: number
  /** As it was given; null for pgvector's default, 16. */
  m: number | null
}

/** The vector index and one left over from a killed build, if they exist. */
export async function foundVectorIndexes(db: Kysely<{}>, { schema }: Pick<Installation, 'schema'>): Promise<FoundIndex[]> {
  const { rows } = await sql<FoundIndex>`
    select
      class.relname::text as name,
      entry.indisvalid as valid,
      pg_catalog.pg_relation_size(class.oid)::float8 as bytes,
      (
        select option.option_value::int4 from pg_catalog.pg_options_to_table(class.reloptions) as option where option.option_name = 'm'
      ) as m
    from pg_catalog.pg_index as entry
    join pg_catalog.pg_class as class on class.oid = entry.indexrelid
    join pg_catalog.pg_class as indexed on indexed.oid = entry.indrelid
    join pg_catalog.pg_namespace as namespace on namespace.oid = indexed.relnamespace
    where namespace.nspname = ${schema} and indexed.relname = 'kb_chunk' and class.relname in (${vectorIndex}, ${unfinishedVectorIndex})
    order by class.relname
  `.execute(db)
  return rows
}
