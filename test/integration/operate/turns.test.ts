import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { run } from '../../../src/cli/run.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { rollTurn } from '../../../src/database/transaction/rollTurn.ts'
import { describeHolders, takeTurn, type LockHolder } from '../../../src/database/transaction/takeTurn.ts'
import { applyPolicies } from '../../../src/operate/apply/applyPolicies.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { startPgBouncer } from '../../support/pgbouncer.ts'
import { insertMetrics } from '../../support/rows.ts'

describe.skipIf(!leg.available || !leg.concurrent)('those who do the same', () => {
  let test: TestDatabase
  beforeEach(async () => {
    test = await freshDatabase()
  })
  afterEach(() => test.close())

  const advisoryLocks = async (): Promise<number> => {
    const { rows } = await sql<{ held: number }>`
      select count(*)::int4 as held from pg_locks as held join pg_database as here on here.oid = held.database
      where held.locktype = 'advisory' and here.datname = current_database()
    `.execute(test.db)
    return rows[0]!.held
  }

  it('leave no lock behind on a connection of a pooler that others use meanwhile', async () => {
    const pooler = await startPgBouncer(test.url!)
    expect(pooler).not.toBeNull()
    const ours = connect({ connectionString: pooler!.url, max: 4 })
    const others = connect({ connectionString: pooler!.url, max: 8 })
    let busy = true
    const load = Array.from({ length: 6 }, async () => {
      while (busy) await sql`select pg_sleep(random() * 0.01)`.execute(others)
    })
    try {
      for (let round = 0; round < 5; round++) {
        const reports = await Promise.all([applyPolicies(ours), applyPolicies(ours)])
        // What one has done the other finds done.
        const added = reports.flatMap(({ changes }) =>
          changes.filter(({ action }) => action === 'add').map(({ object, kind }) => `${object} ${kind}`),
        )
        expect(new Set(added).size).toBe(added.length)
        expect(added.length > 0).toBe(round === 0)
        expect(await advisoryLocks()).toBe(0)
      }
      expect((await applyPolicies(test.db)).changes.every(({ action }) => action === 'keep' || action === 'leave')).toBe(true)
    } finally {
      busy = false
      await Promise.all(load)
      await ours.destroy()
      await others.destroy()
      await pooler!.stop()
    }
  })

  it('are told for whom they wait, and so is who reads the command line', async () => {
    const first = connect({ connectionString: test.url!, max: 1, application_name: 'the first of them' })
    const told: LockHolder[] = []
    try {
      const holding = Promise.withResolvers<void>()
      const held = first.transaction().execute(async (trx) => {
        await takeTurn(trx, 7620318452117001)
        await takeTurn(trx, 'anything')
        await takeTurn(trx, rollTurn({ schema: 'public' }, 'metric_1h'))
        await holding.promise
      })
      const heldBy = async () => (await advisoryLocks()) === 3
      while (!(await heldBy())) await new Promise((resolve) => setTimeout(resolve, 20))
      const waiting = test.db.transaction().execute((trx) => takeTurn(trx, 'anything', (holders) => told.push(...holders)))
      let said = ''
      const surroundings = { out: () => {}, err: (text: string) => void (said += text) }
      const command = Promise.all([['migrate', 'up'], ['maintain']].map((words) => run([...words, '--database', test.url!], surroundings)))
      while (told.length === 0 || said.split('\n').length < 3) await new Promise((resolve) => setTimeout(resolve, 20))
      holding.resolve()
      await Promise.all([held, waiting, command])
      expect(told).toMatchObject([{ application: 'the first of them', user: 'postgres', since: expect.any(Date) }])
      const waits = said.trimEnd().split('\n')
      expect(waits).toHaveLength(2)
      for (const line of waits) expect(line).toMatch(/^waiting for the first of them \(process \d+, role postgres, since \d{4}-\d\d-\d\dT/)
      expect(describeHolders([])).toBe('a session that has just finished')
    } finally {
      await first.destroy()
    }
  })

  it('take turns however short a wait their role is allowed', async () => {
    const scope = await tenant(test.db)
    const hour = Math.floor(Date.now() / 3_600_000) * 3_600_000
    await insertMetrics(
      scope,
      Array.from({ length: 3_000 }, (_, at) => ({
        bucket: new Date(hour - 7_200_000 - at * 120_000),
        resource: `urn:${at % 20}`,
        metric: 'm',
        samples: [at],
      })),
    )
    const impatient = [1, 2].map(() => connect({ connectionString: test.url!, max: 2, options: '-c lock_timeout=10ms' }))
    try {
      const reports = await Promise.all(impatient.map((db) => maintain(db)))
      expect(reports.flatMap(({ notDone }) => notDone)).toEqual([])
      expect(reports.flatMap(({ steps }) => steps).reduce((rows, step) => rows + (step.rows ?? 0), 0)).toBeGreaterThan(0)
    } finally {
      for (const db of impatient) await db.destroy()
    }
  })
})
