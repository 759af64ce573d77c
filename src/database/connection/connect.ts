import { Kysely, PostgresDialect } from 'kysely'
import { Pool, type PoolConfig } from 'pg'

/**
 * A Kysely instance over a `pg.Pool`, from a connection string or pg's own options; without either,
 * from the usual `PG*` variables.
 *
 * `int8` arrives as a string, `timestamptz` as a `Date`: pg's own defaults, which pgvantage relies
 * on. A role or a database may have other settings by which dates and numbers are written; each
 * connection is given the defaults before it is used. `db.destroy()` closes the pool. A service
 * that already has a pool or a Kysely instance needs no `connect`: `tenantScope` takes any, and
 * says what to set where it has to be set.
 *
 * @example
 * const db = connect(process.env.DATABASE_URL)
 * const scope = await tenantScope(db, 't-001')
 *
 * // for each new connection: select set_config(name, value, false) from (values ('datestyle',
 * //   'ISO'), ...) ... where current_setting(name) is another
 */
export function connect(target?: string | PoolConfig): Kysely<{}> {
  const config = typeof target === 'string' ? { connectionString: target } : (target ?? {})
  const pool = new Pool({
    ...config,
    verify: (client, done) =>
      client.query(deliverAsExpected, (error) => {
        if (error) done(error)
        else (config.verify ?? accept)(client, done)
      }),
  })
  // A connection that the server closes fails the query under way, or is replaced on the next one;
  // without listeners it would also end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return new Kysely<{}>({ dialect: new PostgresDialect({ pool }) })
}

const accept: NonNullable<PoolConfig['verify']> = (_, done) => done()

/**
 * Set only where it is another, so that a pooler's connections are left as they are. What a date
 * may be written like (DMY, MDY) stays.
 */
const deliverAsExpected = `
  select pg_catalog.set_config(wanted.name, wanted.value, false)
  from (values
    ('datestyle'::text, 'ISO'::text, '^ISO'::text),
    ('extra_float_digits'::text, '1'::text, '^[1-3]$'::text),
    ('array_nulls'::text, 'on'::text, '^on$'::text),
    ('gin_fuzzy_search_limit'::text, '0'::text, '^0$'::text)
  ) as wanted (name, value, as_it_should_be)
  where pg_catalog.current_setting(wanted.name) !~ wanted.as_it_should_be`
