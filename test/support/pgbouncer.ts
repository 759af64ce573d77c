import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { Client } from 'pg'
import { debianRoot } from './server/debianRoot.ts'
import { freePort } from './server/freePort.ts'
import { rootProcess } from './server/rootProcess.ts'

const startScript = fileURLToPath(new URL('./server/debian/pgbouncer.sh', import.meta.url))

/** A running PgBouncer. */
export interface PgBouncer {
  /** Like the server's URL, through the pooler: any database of the server may be named in its path. */
  url: string
  stop(): Promise<void>
}

/**
 * Starts PgBouncer in transaction mode before a server: each transaction may run on another connection, so nothing that belongs to a session survives it.
 * Two server connections a database, so that tests notice. Null on a machine where the Debian root cannot be had.
 *
 * @throws Error with the end of its log when it does not start.
 *
 * @example
 * const pooler = await startPgBouncer(server.url)
 * if (pooler) await migrateUp(pooler.url)
 */
export async function startPgBouncer(url: string): Promise<PgBouncer | null> {
  const root = await debianRoot()
  if (!root.available) return null
  const server = new URL(url)
  const port = await freePort()
  const user = decodeURIComponent(server.username)
  // A server that trusts its loopback needs no password, the pooler does.
  const password = decodeURIComponent(server.password) || randomUUID()
  const pooled = new URL(url)
  pooled.password = password
  pooled.host = `127.0.0.1:${port}`
  const { stop } = await rootProcess({
    root: root.path,
    script: startScript,
    env: {
      PGBOUNCER_INI: settings(port, `host=${server.hostname} port=${server.port || 5432}`),
      PGBOUNCER_USERS: `${quoted(user)} ${quoted(password)}\n`,
    },
    probe: () => connects(pooled.href),
  })
  return { url: pooled.href, stop }
}

function settings(port: number, server: string): string {
  return [
    '[databases]',
    `* = ${server}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    // Plain passwords in the users' file serve both sides: clients are checked by SCRAM, and the server gets whatever it asks for.
    'auth_type = scram-sha-256',
    'auth_file = users.txt',
    'pool_mode = transaction',
    'default_pool_size = 2',
    'max_client_conn = 200',
    '',
  ].join('\n')
}

/** A string of PgBouncer's users file. */
function quoted(value: string): string {
  return `"${value.replaceAll('"', '""')}"`
}

async function connects(url: string): Promise<void> {
  const client = new Client({ connectionString: url, connectionTimeoutMillis: 5_000 })
  try {
    await client.connect()
    await client.query('select 1')
  } finally {
    await client.end()
  }
}
