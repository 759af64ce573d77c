import { Kysely, PostgresDialect } from 'kysely'
import { Pool, type PoolConfig } from 'pg'

/**
 * A Kysely instance over a `pg.Pool`, from a connection string or pg's own options; without either, from the usual `PG*` variables.
 *
 * `int8` arrives as a string, `timestamptz` as a `Date`: pg's own defaults, which pgvantage relies on. `db.destroy()` closes the pool.
 * A service that already has a pool or a Kysely instance needs no `connect`: `tenantScope` takes any.
 *
 * @example
 * const db = connect(process.env.DATABASE_URL)
 * const scope = await tenantScope(db, 't-001')
 */
export function connect(target?: string | PoolConfig): Kysely<{}> {
  const pool = new Pool(typeof target === 'string' ? { connectionString: target } : target)
  // A connection that the server closes fails the query under way, or is replaced on the next one; without listeners it would also end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return new Kysely<{}>({ dialect: new PostgresDialect({ pool }) })
}
