import { sql } from 'kysely'
import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import type { AnyKysely } from './plainKysely.ts'

/*
 * Reads run under the caller's `search_path`, since they hold the caller's own queries. PostgreSQL
 * looks in pg_catalog first, but takes from another schema of the path what fits a call better. So
 * in SQL that runs under the caller's path
 *
 * - a call of a function has arguments of exactly the types that pg_catalog has it for (a parameter
 *   or literal is cast: `round(x, 9)`, `power(x, 2::float8)`), or is written with its schema. What
 *   takes any type (`count`, `lag`, `unnest`, `lower` of a range, `percentile_cont`,
 *   `jsonb_build_object`) always is: `pg_catalog.count(x)`;
 * - the sides of an operator have the types that pg_catalog has it for: `x * 2::float8`,
 *   `id::text || name`. A bare parameter or literal takes the type of the other side, so
 *   `tenant_id = $1` is right, but `labels ->> 'team'` is not: `labels ->> 'team'::text`. For arrays
 *   there are functions (`pg_catalog.array_cat`), for ranges `operator(pg_catalog.@>)`;
 * - a cast, `coalesce`, `greatest`, `case`, `extract`, `at time zone`, `order by`, `group by` and
 *   `unnest` of several arrays in `from` look nothing up.
 *
 * test/integration/hostile/searchPath.test.ts holds every read to it.
 */

/**
 * Refuses a `search_path` in which a schema comes before `pg_catalog`: whatever has the name of a
 * function of PostgreSQL's there would be called instead.
 *
 * A schema that is not there yet counts too, somebody may create it. Only the session's own
 * temporary objects may come first: PostgreSQL never looks for functions or operators among them.
 *
 * @throws InvalidInputError naming the schemas.
 */
export async function assertSearchPath(db: AnyKysely): Promise<void> {
  // SHOW calls nothing that a stranger could have written.
  const { rows } = await sql<{ search_path: string }>`show search_path`.execute(db)
  const path = schemasOf(rows[0]!.search_path)
  const before = path.slice(0, Math.max(0, path.indexOf('pg_catalog'))).filter((schema) => schema !== 'pg_temp')
  if (before.length === 0) return
  throw new InvalidInputError(
    'db',
    `must not look for functions elsewhere before pg_catalog, as this connection's search_path does (${preview(before.join(', '))} first): leave pg_catalog out of search_path, or put it first`,
  )
}

/** The schemas of a `search_path`, as they are called. */
export const schemasOf = (path: string): string[] =>
  [...path.matchAll(/"((?:[^"]|"")*)"|([^\s,"]+)/g)].map(([, quoted, bare]) => quoted?.replaceAll('""', '"') ?? bare!.toLowerCase())
