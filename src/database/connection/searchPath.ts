import { sql } from 'kysely'
import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import type { AnyKysely } from './plainKysely.ts'

/*
 * Reads run with the caller's `search_path`, since they contain the caller's queries. PostgreSQL
 * looks in pg_catalog first, but prefers a better match in another schema of the path. So in SQL
 * that runs with the caller's path:
 *
 * - A call of a function has arguments of exactly the types of pg_catalog's function (a parameter
 *   or literal is cast: `round(x, 9)`, `power(x, 2::float8)`), or has its schema. A function that
 *   accepts any type (`count`, `lag`, `unnest`, `lower` of a range, `percentile_cont`,
 *   `jsonb_build_object`) always has it: `pg_catalog.count(x)`.
 * - The sides of an operator have the types of pg_catalog's operator: `x * 2::float8`, `id::text ||
 *   name`. A bare parameter or literal takes the type of the other side, so `tenant_id = $1` is
 *   right, but `labels ->> 'team'` is not: `labels ->> 'team'::text`. For arrays use functions
 *   (`pg_catalog.array_cat`), for ranges `operator(pg_catalog.@>)`.
 * - A cast, `coalesce`, `greatest`, `case`, `extract`, `at time zone`, `order by`, `group by` and
 *   `unnest` of several arrays in `from` look up no name.
 *
 * test/integration/hostile/searchPath.test.ts checks every read for this.
 */

/**
 * Refuses a `search_path` with a schema before `pg_catalog`: an object there with the name of a
 * function of PostgreSQL would be called instead.
 *
 * A schema that does not exist counts too, since it may be created later. Only the session's
 * temporary schema may come first: PostgreSQL never looks up functions or operators in it.
 *
 * @throws InvalidInputError naming the schemas.
 */
export async function assertSearchPath(db: AnyKysely): Promise<void> {
  // SHOW calls no function that someone else could have replaced.
  const { rows } = await sql<{ search_path: string }>`show search_path`.execute(db)
  const path = schemasOf(rows[0]!.search_path)
  const before = path.slice(0, Math.max(0, path.indexOf('pg_catalog'))).filter((schema) => schema !== 'pg_temp')
  if (before.length === 0) return
  throw new InvalidInputError(
    'db',
    `must not look for functions elsewhere before pg_catalog, as this connection's search_path does (${preview(before.join(', '))} first): leave pg_catalog out of search_path, or put it first`,
  )
}

/** The schemas of a `search_path`, unquoted. */
export const schemasOf = (path: string): string[] =>
  [...path.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare!.toLowerCase())
