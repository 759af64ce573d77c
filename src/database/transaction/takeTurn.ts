import { sql, type Kysely, type RawBuilder } from 'kysely'
import { refuseOldSnapshot } from './isolation.ts'

/** A session that holds a lock that another one waits for. */
export interface LockHolder {
  /** The server's process: `pg_terminate_backend(pid)` ends it. */
  readonly pid: number
  readonly user: string | null
  /** The name of the other program (`application_name`). */
  readonly application: string
  /** When its transaction began; null if this role may not see it. */
  readonly since: Date | null
}

/** Called once, before waiting, with the sessions waited for. */
export type OnWait = (holders: readonly LockHolder[]) => void

/**
 * Waits for other sessions that do the same, and makes others wait until the transaction ends. It
 * is a lock of the transaction, so it also works through a pooler that assigns a connection per
 * transaction, and is always released.
 *
 * It is a statement of its own, so the next one sees what the previous holder committed. A
 * transaction in which this would not be so is refused.
 *
 * @param name the work and its installation; or a number that only we use.
 * @throws InvalidInputError if the transaction is REPEATABLE READ or SERIALIZABLE.
 */
export async function takeTurn(trx: Kysely<{}>, name: string | number, onWait?: OnWait): Promise<void> {
  const key = keyOf(name)
  if (onWait !== undefined) {
    const { rows } = await sql<{ taken: boolean }>`select pg_catalog.pg_try_advisory_xact_lock(${key}) as taken`.execute(trx)
    if (rows[0]!.taken) return
    onWait(await holdersOf(trx, key))
  }
  const { rows } = await sql<{ isolation: string }>`
    select pg_catalog.current_setting('transaction_isolation') as isolation from ${turnLock(name)} as turn
  `.execute(trx)
  refuseOldSnapshot(rows[0]!.isolation, 'it')
}

/**
 * Waits for a session that has taken the turn, not for others that share it; a session that takes
 * it waits for all of them.
 *
 * @throws InvalidInputError if the transaction is REPEATABLE READ or SERIALIZABLE.
 */
export async function shareTurn(trx: Kysely<{}>, name: string): Promise<void> {
  const { rows } = await sql<{ isolation: string }>`
    select pg_catalog.current_setting('transaction_isolation') as isolation from ${sharedTurnLock(name)} as turn
  `.execute(trx)
  refuseOldSnapshot(rows[0]!.isolation, 'it')
}

/**
 * Takes several turns, each as {@link takeTurn} does, always in the same order, which avoids
 * deadlocks.
 */
export async function takeTurns(trx: Kysely<{}>, names: readonly string[]): Promise<void> {
  await sql`
    select pg_catalog.pg_advisory_xact_lock(turn.key)
    from (
      select distinct pg_catalog.hashtextextended(name, 0::int8) as key
      from pg_catalog.json_array_elements_text(${JSON.stringify(names)}::json) as name
      order by key
    ) as turn
  `.execute(trx)
}

/**
 * The call that waits for a turn, for a statement that takes it while it runs.
 *
 * @example
 * sql`select ... from ${turnLock('pgvantage event 4711')} as turn`
 */
export const turnLock = (name: string | number): RawBuilder<void> => sql`pg_catalog.pg_advisory_xact_lock(${keyOf(name)})`

/** The same for a turn that is shared, see {@link shareTurn}. */
export const sharedTurnLock = (name: string): RawBuilder<void> => sql`pg_catalog.pg_advisory_xact_lock_shared(${keyOf(name)})`

/** The number of a turn on the server. */
const keyOf = (name: string | number): RawBuilder<string> =>
  typeof name === 'number' ? sql`${sql.lit(name)}::int8` : sql`pg_catalog.hashtextextended(${name}::text, 0::int8)`

async function holdersOf(trx: Kysely<{}>, key: RawBuilder<string>): Promise<LockHolder[]> {
  const { rows } = await sql<LockHolder>`
    select held.pid, activity.usename::text as user, coalesce(activity.application_name, '') as application, activity.xact_start as since
    from (select ${key} as key) as wanted
    join pg_catalog.pg_locks as held
      on held.locktype = 'advisory' and held.granted and held.objsubid = 1::int2
      and held.database = (select oid from pg_catalog.pg_database where datname = pg_catalog.current_database())
      -- The server shows the two halves of the number, each as a number without a sign.
      and held.classid::int8 = ((wanted.key >> 32) & 4294967295::int8)
      and held.objid::int8 = (wanted.key & 4294967295::int8)
    left join pg_catalog.pg_stat_activity as activity on activity.pid = held.pid
    where held.pid <> pg_catalog.pg_backend_pid()
    order by activity.xact_start
  `.execute(trx)
  return rows
}

/** As a text: `pgvantage (process 4711, role deployer, since 2026-11-26T09:30:00.000Z)`. */
export function describeHolders(holders: readonly LockHolder[]): string {
  if (holders.length === 0) return 'a session that has just finished'
  return holders
    .map(({ pid, user, application, since }) => {
      const about = [
        `process ${pid}`,
        ...(user === null ? [] : [`role ${user}`]),
        ...(since === null ? [] : [`since ${since.toISOString()}`]),
      ]
      return `${application || 'a session'} (${about.join(', ')})`
    })
    .join(', ')
}
