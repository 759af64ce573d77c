import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { activeCalls } from '../../../src/calls/activeCalls.ts'
import { refreshCallGraph } from '../../../src/calls/refreshCallGraph.ts'
import { deleteTenant } from '../../../src/catalog/deleteTenant.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, insertCalls, services } from '../../support/rows.ts'

onEveryLeg('activeCalls', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  /** The scope of before there was a graph, and the one of after. */
  const refreshed = async (code: string): Promise<[before: Scope, after: Scope]> => {
    const before = await tenant(test.db, code)
    await insertCalls(before, [
      { bucket: at('09:50'), src: 'a', dst: 'b', latencies: [10, 20] },
      { bucket: at('09:55'), src: 'a', dst: 'b', latencies: [30, 40], error_count: 1 },
      { bucket: at('09:55'), src: 'b', dst: 'c', call_count: 3, p50_ms: null, p95_ms: null },
      { bucket: at('09:55'), src: 'c', dst: 'a', call_count: 0, rps: 0.5, err_rate: null, p50_ms: 5, p95_ms: null },
    ])
    await refreshCallGraph(before, { now: at('10:00') })
    return [before, await tenantScope(test.db, code)]
  }

  it('knows of the graph when the scope is made after it', async () => {
    const [before, after] = leg.age ? await refreshed('made') : Array<Scope>(2).fill(await tenant(test.db, 'made'))
    expect([before!.graphMade, after!.graphMade]).toEqual([false, leg.age])
  })

  it.skipIf(!leg.age)('gives the same rows from the table and by the function', async () => {
    const [before, after] = await refreshed('same')
    const rows = await activeCalls(after).orderBy('src').execute()
    expect(rows).toMatchObject([
      { rps: 4 / 600, weight: 4 / 600, err_rate: 0.25, first_seen: at('09:50'), last_seen: at('09:55') },
      { err_rate: 0, p50_ms: null, p95_ms: null },
      { rps: 0.25, err_rate: null, p50_ms: 5, p95_ms: null },
    ])
    expect(await activeCalls(before).orderBy('src').execute()).toEqual(rows)
    for (const scope of [before, after]) {
      await expectNarrows(
        activeCalls(scope).orderBy('src'),
        (eb) => eb('err_rate', '>', 0.1),
        ({ err_rate }) => err_rate !== null && err_rate > 0.1,
      )
    }
  })

  it.skipIf(!leg.age)('reads a null that an older release wrote', async () => {
    const [, scope] = await refreshed('older')
    await sql`
      update ${sql.id(scope.graphName, 'CALLS')}
      set properties = ag_catalog.agtype_concat(properties, ag_catalog.agtype_build_map('err_rate', null::float8, 'p95_ms', null::float8))
    `.execute(test.db)
    expect((await activeCalls(scope).execute()).map(({ err_rate, p95_ms }) => [err_rate, p95_ms])).toEqual(Array(3).fill([null, null]))
  })

  it.skipIf(!leg.age)('finds the edges of a resource by an index, and decodes what is asked for', async () => {
    const [, scope] = await refreshed('index')
    const ids = await services(scope, ['a', 'b'])
    const plan = (end: 'src' | 'dst') =>
      test.db.transaction().execute(async (db) => {
        await sql`set local enable_seqscan = off`.execute(db)
        const query = activeCalls(scope).where(end, '=', ids.get('b')!).select('weight').clearSelect().select('weight').compile()
        const { rows } = await db.executeQuery<Record<'QUERY PLAN', string>>({ ...query, sql: `explain (verbose, costs off) ${query.sql}` })
        return rows.map((row) => row['QUERY PLAN']).join(' ')
      })
    for (const [end, column] of [
      ['src', 'start_id'],
      ['dst', 'end_id'],
    ] as const) {
      const text = await plan(end)
      expect(text).toContain(`CALLS_${column}_resource_idx`)
      expect(text).toContain("'rps'")
      expect(text).not.toContain("'p95_ms'")
    }
  })

  it.skipIf(!leg.age)('says that there is no such relation once the tenant is deleted', async () => {
    const [, scope] = await refreshed('deleted')
    await deleteTenant(test.db, 'deleted')
    await expect(activeCalls(scope).execute()).rejects.toThrow(/CALLS" does not exist/)
  })
})
