import { sql, type Kysely } from 'kysely'

/** Names of settings and their values. */
export type Settings = Readonly<Record<string, string>>

/**
 * What a connection can bring along that changes how dates, numbers and names are written and read.
 */
const written: Settings = {
  datestyle: 'ISO, YMD',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  quote_all_identifiers: 'off',
  transform_null_equals: 'off',
  array_nulls: 'on',
}

/**
 * What writes and upkeep run under, whatever the role, the database or the caller has set. Names
 * are looked up in PostgreSQL's own schema and nowhere else: what an extension has is named with
 * its schema.
 */
export const pinned: Settings = { search_path: 'pg_catalog, pg_temp', ...written }

/**
 * The same for a statement that holds a query of the caller's: its names are looked up where the
 * caller has them looked up.
 */
export const pinnedButForNames: Settings = written

/**
 * The same for what waits for its turn, as who runs migrations, applies policies or keeps up does:
 * it waits for others who do so already, however short a wait the role is allowed. A statement's
 * own timeout still ends it.
 */
export const patient = (settings: Settings): Settings => ({ ...settings, lock_timeout: '0' })

/**
 * Does work in a transaction under settings that hold for it alone, and puts back what was set
 * before. Where the transaction itself has failed there is nothing to put back: it is rolled back,
 * or the savepoint around the work is, and the settings with it.
 *
 * @param until `session` for what runs in no transaction: then `trx` is one connection.
 */
export async function withSettings<T>(
  trx: Kysely<{}>,
  settings: Settings,
  work: () => Promise<T>,
  until: SettingsEnd = 'transaction',
): Promise<T> {
  const before = await currentSettings(trx, Object.keys(settings))
  await setSettings(trx, settings, until)
  let result: T
  try {
    result = await work()
  } catch (error) {
    await setSettings(trx, before, until).catch(() => {})
    throw error
  }
  await setSettings(trx, before, until)
  return result
}

/** What ends settings, where nobody puts them back. */
type SettingsEnd = 'transaction' | 'session'

async function currentSettings(trx: Kysely<{}>, names: readonly string[]): Promise<Settings> {
  const columns = names.map((name) => sql`pg_catalog.current_setting(${sql.lit(name)}::text) as ${sql.id(name)}`)
  const { rows } = await sql<Settings>`select ${sql.join(columns)}`.execute(trx)
  return rows[0]!
}

/** Sets them until the transaction, or the session, ends. */
export const setSettings = (trx: Kysely<{}>, settings: Settings, until: SettingsEnd = 'transaction') => {
  const local = sql.lit(until === 'transaction')
  const calls = Object.entries(settings).map(([name, value]) => sql`pg_catalog.set_config(${name}::text, ${value}::text, ${local})`)
  return sql`select ${sql.join(calls)}`.execute(trx)
}
