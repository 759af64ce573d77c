import { Client } from 'pg'

/** What the tests of the server leg create in their databases. */
const requiredExtensions = ['timescaledb', 'age', 'vector', 'hll', 'tdigest', 'pg_trgm', 'btree_gist']

interface ServerFacts {
  version: string
  major: number
  superuser: boolean
  preloaded: string
  extensions: { name: string; version: string }[]
}

/**
 * Connects and says in one line what the server is: `PostgreSQL 17.11, timescaledb 2.19.3, age 1.5.0, ...`.
 *
 * @throws Error when it cannot be reached, or naming the first thing that the tests need and it has not.
 */
export async function describeServer(url: string): Promise<string> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
    const { rows } = await client.query<ServerFacts>(
      `select split_part(current_setting('server_version'), ' ', 1) as version,
              current_setting('server_version_num')::int / 10000 as major,
              (select rolsuper from pg_roles where rolname = current_user) as superuser,
              current_setting('shared_preload_libraries') as preloaded,
              (select coalesce(json_agg(json_build_object('name', name, 'version', default_version) order by array_position($1, name::text)), '[]')
               from pg_available_extensions where name = any ($1)) as extensions`,
      [requiredExtensions],
    )
    const [facts] = rows
    if (!facts) throw new Error('the server did not say what it is')
    return description(facts)
  } finally {
    await client.end()
  }
}

function description({ version, major, superuser, preloaded, extensions }: ServerFacts): string {
  const missing = requiredExtensions.filter((required) => !extensions.some(({ name }) => name === required))
  if (major !== 17) throw new Error(`the tests need PostgreSQL 17, this is ${version}`)
  if (!superuser) throw new Error('the tests need a superuser')
  if (missing.length > 0) throw new Error(`the tests need the extensions ${missing.join(', ')}: install their packages`)
  if (!preloaded.includes('timescaledb')) throw new Error('the tests need timescaledb in shared_preload_libraries')
  const named = extensions.map((extension) => `${extension.name} ${extension.version}`)
  return [`PostgreSQL ${version}`, ...named].join(', ')
}
