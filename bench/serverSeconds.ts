import { readFile } from 'node:fs/promises'
import { sql, type Kysely } from 'kysely'
import { seconds } from './target.ts'

/**
 * Seconds that the work takes: of the CPU time of the server's process if that runs on this
 * machine, since others take turns with it; otherwise by the clock. CPU time of parallel workers
 * would not be seen, so there are none.
 */
export async function serverSeconds(db: Kysely<{}>, work: (connection: Kysely<{}>) => Promise<unknown>): Promise<number> {
  const measured = async (connection: Kysely<{}>) => {
    const { rows } = await sql<{ pid: number; workers: string }>`
      select pg_backend_pid() as pid, set_config('max_parallel_workers_per_gather', '0', false) as workers
    `.execute(connection)
    const busy = () => cpuSeconds(rows[0]?.pid)
    const before = await busy()
    const elapsed = await seconds(() => work(connection))
    const after = await busy()
    return before === undefined || after === undefined ? elapsed : after - before
  }
  return db.isTransaction ? measured(db) : db.connection().execute(measured)
}

/**
 * What a process on this machine has used of the CPU; undefined where it is not PostgreSQL's, or
 * cannot be read.
 */
async function cpuSeconds(pid: number | undefined): Promise<number | undefined> {
  try {
    if (!(await readFile(`/proc/${pid}/comm`, 'utf8')).startsWith('postgres')) return undefined
    return Number((await readFile(`/proc/${pid}/schedstat`, 'utf8')).split(' ')[0]) / 1e9
  } catch {
    return undefined
  }
}
