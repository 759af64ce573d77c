import { Kysely, PostgresDialect } from 'kysely'
import { Pool, type PoolConfig } from 'pg'

/**
 * Creates a Kysely instance over a `pg.Pool`, from a connection string or pg's own options; without
 * either, from the usual `PG*` variables. `db.destroy()` closes the pool.
 *
 * pgvantage needs pg's defaults: `int8` as a string, `timestamptz` as a `Date`. A role or database
 * may have other settings for dates and numbers, so each new connection gets the defaults first. A
 * service with its own pool or Kysely instance does not need `connect`: `tenantScope` accepts any,
 * and says what to set if a setting is wrong.
 *
 * It also turns JIT off, which makes statements of our kind slower. A choice made for the role, the
 * database or the connection (pg: `{ options: '-c jit=on' }`) stays.
 *
 * @example
 * const db = connect(process.env.DATABASE_URL)
 * const scope = await tenantScope(db, 't-001')
 *
 * // for each new connection: select set_config(name, value, false) from (values ('datestyle',
 * //   'ISO'), ...) ... where current_setting(name) is another, or for jit its default
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
  // If the server closes a connection, its query fails, or the next one replaces it; without
  // listeners this would also end the process.
  pool.on('error', () => {})
  pool.on('connect', (client) => client.on('error', () => {}))
  return new Kysely<{}>({ dialect: new PostgresDialect({ pool }) })
}

const accept: NonNullable<PoolConfig['verify']> = (_, done) => done()

/**
 * Changes only settings that differ, so a pooler's connections stay unchanged. The order of a
 * date's parts (DMY, MDY) stays.
 */
const deliverAsExpected = `
  select pg_catalog.set_config(wanted.name, wanted.value, false)
  from (values
    ('datestyle'::text, 'ISO'::text, '^ISO'::text),
    ('extra_float_digits'::text, '1'::text, '^[1-3]$'::text),
    ('array_nulls'::text, 'on'::text, '^on$'::text),
    ('gin_fuzzy_search_limit'::text, '0'::text, '^0$'::text)
  ) as wanted (name, value, as_it_should_be)
  where pg_catalog.current_setting(wanted.name) !~ wanted.as_it_should_be
  union all
  select pg_catalog.set_config(setting.name, wanted.value, false)
  from (values ('jit'::text, 'off'::text)) as wanted (name, value)
  join pg_catalog.pg_settings as setting on setting.name = wanted.name
  where setting.setting <> wanted.value and setting.source in ('default'::text, 'configuration file'::text, 'command line'::text)`
