import { setTimeout } from 'node:timers/promises'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { createWriter, rollUp, type IngestWindow, type WriterOptions } from '../../../src/ingest/index.ts'
import { chaos } from '../../support/chaos/chaos.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { cutProxy, type CutProxy } from '../../support/cutProxy.ts'
import { leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { startPgBouncer } from '../../support/pgbouncer.ts'
import { all, requests } from '../../unit/ingest/telemetry.ts'
import { everything } from './everything.ts'
import { recording } from './recording.ts'

describe.skipIf(!leg.available || !leg.concurrent)('a writer of windows', () => {
  let test: TestDatabase
  let windows: IngestWindow[]
  let clean: Awaited<ReturnType<typeof everything>>
  let proxy: CutProxy
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
    windows = await all(rollUp(requests(recording({ minutes: 30 }))))
    const reference = await tenant(test.db, 'clean')
    await written(reference)
    clean = await everything(reference)
    proxy = await cutProxy(test.url!)
  })
  afterAll(async () => {
    await proxy.close()
    await test.close()
  })

  const newTenant = () => tenant(test.db, `t-${++tenants}`)

  async function written(scope: Scope, options: WriterOptions = {}, given: readonly IngestWindow[] = windows) {
    await using writer = createWriter(scope, options)
    for (const window of given) await writer.write(window)
    await writer.close()
  }

  /** Does the work over connections of its own. */
  async function through<T>(url: string, code: string, work: (scope: Scope) => Promise<T>, options?: string): Promise<T> {
    const db = connect({ connectionString: url, options, application_name: `writes ${code}` })
    try {
      return await work(await tenantScope(db, code))
    } finally {
      await db.destroy()
    }
  }

  it('whose connection is lost, or whose backend is killed, at any moment leaves the rows of one clean run', async () => {
    const { kills, random } = chaos('writer', 5)
    let [done, retries] = [0, 0]
    while (done < kills) {
      const { tenantCode } = await newTenant()
      let over = false
      const kill = async () => {
        while (!over && done < kills) {
          await setTimeout(10 + random() * 100)
          if (random() < 0.5) proxy.cut()
          else
            await sql`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${`writes ${tenantCode}`}`.execute(
              test.db,
            )
          done += 1
        }
      }
      await through(proxy.url, tenantCode, async (scope) => {
        const killing = kill()
        await written(scope, { onRetry: () => (retries += 1) }).finally(() => (over = true))
        await killing
      })
      expect(await everything(await tenantScope(test.db, tenantCode))).toEqual(clean)
    }
    expect(retries).toBeGreaterThan(0)
  })

  it('goes on when the server comes back', async () => {
    const scope = await newTenant()
    const states: unknown[] = []
    const rows = await through(proxy.url, scope.tenantCode, async (own) => {
      await using writer = createWriter(own, { onRetry: (_, error) => states.push(error) })
      for (const [at, window] of windows.entries()) {
        if (at === 3) {
          await proxy.down()
          void setTimeout(500).then(() => proxy.up())
        }
        await writer.write(window)
      }
      const { windows: count, retries } = await writer.close()
      expect(count).toBe(windows.length)
      expect(retries).toBe(states.length)
      expect(retries).toBeGreaterThan(0)
      return everything(own)
    })
    expect(rows).toEqual(clean)
  })

  it('gives up on a server that stays away, and says which window was not written', async () => {
    const scope = await newTenant()
    await through(proxy.url, scope.tenantCode, async (own) => {
      await proxy.down()
      const error: unknown = await written(own, { retryFor: '1 second' }).catch((failure: unknown) => failure)
      await proxy.up()
      expect(error).toMatchObject({
        code: 'NOT_WRITTEN',
        message: expect.stringMatching(
          /^the window from 2026-01-01T12:00:00.000Z to .* was not written in \d+ attempts, not even in part: /,
        ),
      })
    })
    await written(scope)
    expect(await everything(scope)).toEqual(clean)
  })

  it('that a timeout stops leaves whole windows, and run again the rows of one clean run', async () => {
    const scope = await newTenant()
    const blocker = await test.db.startTransaction().execute()
    await sql`lock table ${scope.id('service_call_5m')} in exclusive mode`.execute(blocker)
    const attempt = through(test.url!, scope.tenantCode, (own) => written(own), '-c statement_timeout=300')
    await expect(attempt).rejects.toMatchObject({ code: 'NOT_WRITTEN', cause: { code: '57014' } })
    await blocker.rollback().execute()
    expect(Object.values(await everything(scope)).flat()).toEqual([])
    await written(scope)
    expect(await everything(scope)).toEqual(clean)
  })

  it('needs no session of its own: PgBouncer hands each transaction another one', async () => {
    const scope = await newTenant()
    const pooler = await startPgBouncer(test.url!)
    expect(pooler).not.toBeNull()
    try {
      await Promise.all(Array.from({ length: 4 }, () => through(pooler!.url, scope.tenantCode, (own) => written(own))))
    } finally {
      await pooler!.stop()
    }
    expect(await everything(scope)).toEqual(clean)
  })
})
