import { clockShift } from '../moment/moment.ts'
import { chrootServer } from './chrootServer.ts'
import { containerServer } from './containerServer.ts'
import { givenServer } from './givenServer.ts'
import type { ServerLeg } from './serverLeg.ts'

/**
 * Gets a real PostgreSQL 17 with timescaledb, age, vector, hll, tdigest, pg_trgm and btree_gist, by the first of these ways that the machine has:
 *
 * 1. the server that `PGVANTAGE_TEST_URL` names (a superuser's URL); if it will not do, that is the answer, since another one was not asked for;
 * 2. a container made from the repository's Dockerfile, where Docker answers within 2 seconds;
 * 3. on Debian with root, a Debian trixie system in the user's cache folder under `chroot`: a minute and 700 MB the first time, 3 seconds later on.
 *
 * A run at another moment (`PGVANTAGE_TEST_NOW`) has the third way alone, since no other server's
 * clock can be moved, and in the past alone: with a clock that is ahead of the machine's the
 * server's timeouts end nothing.
 *
 * @throws Error when there is none and `PGVANTAGE_REQUIRE_SERVER` is `1`, as in CI: a leg that is left out silently proves nothing.
 *
 * @example
 * const server = await startServer()
 * if (!server.available) console.warn(`server leg left out: ${server.reason}`)
 * else await server.stop()
 */
export async function startServer(): Promise<ServerLeg> {
  const leg = clockShift() === 0 ? ((await givenServer()) ?? (await firstAvailable([containerServer, chrootServer]))) : await movedServer()
  if (!leg.available && process.env.PGVANTAGE_REQUIRE_SERVER === '1') {
    throw new Error(`PGVANTAGE_REQUIRE_SERVER is 1, but no server could be had: ${leg.reason}`)
  }
  return leg
}

async function movedServer(): Promise<ServerLeg> {
  if (clockShift() > 0)
    return { available: false, reason: 'PGVANTAGE_TEST_NOW is in the future, and a server can only be moved to the past' }
  if (process.env.PGVANTAGE_TEST_URL) {
    return {
      available: false,
      reason: 'PGVANTAGE_TEST_NOW is set, and the clock of the server that PGVANTAGE_TEST_URL names cannot be moved',
    }
  }
  return chrootServer()
}

async function firstAvailable(ways: (() => Promise<ServerLeg>)[]): Promise<ServerLeg> {
  const reasons: string[] = []
  for (const way of ways) {
    const leg = await way()
    if (leg.available) return leg
    reasons.push(leg.reason)
  }
  return { available: false, reason: `PGVANTAGE_TEST_URL is not set; ${reasons.join('; ')}` }
}
