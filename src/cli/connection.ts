import { Option } from 'commander'
import type { Kysely } from 'kysely'
import { connect } from '../database/connection/connect.ts'
import { InvalidInputError } from '../schema/errors.ts'

/** `--database URL`, for every command that needs one. */
export const databaseOption = () => new Option('-d, --database <url>', 'connection string; else DATABASE_URL, else the usual PG* variables')

/** `--schema NAME`, for every command that looks for our tables. */
export const schemaOption = () =>
  new Option('--schema <name>', 'the schema our tables are in (default: where they are found; for a new installation: public)')

/**
 * Connects to the database that the command line or the environment names, does the work and closes
 * the connection.
 *
 * @throws InvalidInputError when none is named, or by something that is no PostgreSQL URL; the
 * message never repeats it, for it may hold a password.
 */
export async function withDatabase<T>(
  { database }: { database?: string },
  env: NodeJS.ProcessEnv,
  work: (db: Kysely<{}>) => Promise<T>,
): Promise<T> {
  const url = databaseUrl(database, env)
  const db = connect({
    ...(url === undefined ? {} : { connectionString: url }),
    max: 2,
    application_name: 'pgvantage',
    connectionTimeoutMillis: 15_000,
  })
  try {
    return await work(db)
  } finally {
    await db.destroy()
  }
}

/** The connection string, or undefined where the PG* variables are to be used. */
function databaseUrl(option: string | undefined, env: NodeJS.ProcessEnv): string | undefined {
  const field = option === undefined ? 'DATABASE_URL' : '--database'
  const url = option ?? env.DATABASE_URL
  if (url) return checkedUrl(field, url)
  if (Object.keys(env).some((name) => /^PG(HOST|HOSTADDR|PORT|USER|DATABASE)$/.test(name))) return undefined
  throw new InvalidInputError(
    '--database',
    'say which database: --database postgres://user@host:5432/database, DATABASE_URL, or the usual PG* variables',
  )
}

/**
 * A connection string that is one.
 *
 * @throws InvalidInputError which never repeats it, for it may hold a password.
 */
export function checkedUrl(field: string, url: string): string {
  if (/^postgres(ql)?:\/\//.test(url) && URL.canParse(url)) return url
  throw new InvalidInputError(field, 'is not a connection string such as postgres://user@host:5432/database')
}
