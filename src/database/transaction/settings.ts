import { sql, type Kysely } from 'kysely'

/** Names of settings and their values. */
export type Settings = Readonly<Record<string, string>>

/** Settings of a connection that change how dates, numbers and names are written and read. */
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
 * The settings of writes and upkeep, regardless of the role's, the database's and the caller's.
 * Names are looked up in PostgreSQL's own schema only: objects of extensions are written with their
 * schema.
 */
export const pinned: Settings = { search_path: 'pg_catalog, pg_temp', ...written }

/**
 * The same for a statement that contains a query of the caller: its names are looked up on the
 * caller's search path.
 */
export const pinnedButForNames: Settings = written

/**
 * The same for work that waits for its turn (migrations, policies, maintenance): it waits for other
 * sessions that do the same, even if the role has a short lock timeout. A statement timeout still
 * ends it.
 */
export const patient = (settings: Settings): Settings => ({ ...settings, lock_timeout: '0' })

/**
 * Does work in a transaction with settings of its own, and restores the previous ones. If the
 * transaction itself has failed, there is nothing to restore: it is rolled back, or the savepoint
 * around the work is, and the settings with it.
 *
 * @param until `session` for work outside a transaction: then `trx` is one connection.
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

/** How long settings last if they are not restored. */
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
