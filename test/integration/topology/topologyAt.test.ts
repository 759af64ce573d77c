import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { reach } from '../../../src/graph/reach.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, services } from '../../support/rows.ts'

async function insertTopology(scope: Scope, edges: readonly [src: string, dst: string, relation: string, valid: string][]) {
  const ids = await services(
    scope,
    edges.flatMap(([src, dst]) => [src, dst]),
  )
  for (const [src, dst, relation, valid] of edges) {
    await sql`
      insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid, props)
      values (${scope.tenantId}, ${ids.get(src)}, ${ids.get(dst)}, ${relation}, ${valid}::tstzrange, '{"port": 80}')
    `.execute(scope.db)
  }
}

apartFromTime('topologyAt', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await insertTopology(scope, [
      ['a', 'b', 'calls', '[2026-11-22 10:00Z, 2026-11-22 11:00Z)'],
      ['a', 'b', 'calls', '[2026-11-22 12:00Z, infinity)'],
      ['a', 'host', 'runs_on', '[-infinity, 2026-11-22 11:30Z)'],
      ['b', '🦊"$$', 'calls', '[2026-11-22 10:30Z,)'],
    ])
    await insertTopology(await tenant(test.db, 'other'), [['a', 'secret', 'calls', '[-infinity,)']])
  })
  afterAll(() => test.close())

  it('gives the edges that were valid, their begin included and their end not', async () => {
    const edges = async (clock: string) =>
      (await topologyAt(scope, { at: at(clock) }).execute()).map(({ src_urn, dst_urn, relation }) => `${src_urn} ${relation} ${dst_urn}`)
    expect(await edges('09:59')).toEqual(['a runs_on host'])
    expect(await edges('10:00')).toEqual(['a calls b', 'a runs_on host'])
    expect(await edges('10:30')).toEqual(['a calls b', 'a runs_on host', 'b calls 🦊"$$'])
    expect(await edges('11:00')).toEqual(['a runs_on host', 'b calls 🦊"$$'])
    expect(await edges('12:00')).toEqual(['a calls b', 'b calls 🦊"$$'])
  })

  it('says since when and until when, null being open', async () => {
    const rows = await topologyAt(scope, { at: at('10:45') }).execute()
    expect(rows).toMatchObject([
      { src_urn: 'a', dst_urn: 'b', props: { port: 80 }, weight: null, valid_from: at('10:00'), valid_to: at('11:00') },
      { dst_urn: 'host', valid_from: null, valid_to: at('11:30') },
      { src_urn: 'b', valid_from: at('10:30'), valid_to: null },
    ])
    expect((await topologyAt(scope, { at: at('13:00') }).execute())[0]).toMatchObject({ valid_from: at('12:00'), valid_to: null })
  })

  it('narrowed in SQL equals filtered afterwards, and by relation before', async () => {
    const all = await topologyAt(scope, { at: at('10:45') }).execute()
    expect(
      await topologyAt(scope, { at: at('10:45') })
        .where('relation', '=', 'calls')
        .orderBy('src_urn')
        .execute(),
    ).toEqual(all.filter(({ relation }) => relation === 'calls'))
    expect(await topologyAt(scope, { at: at('10:45'), relation: 'runs_on' }).execute()).toEqual(
      all.filter(({ relation }) => relation === 'runs_on'),
    )
  })

  it('is an edge frame', async () => {
    const rows = await reach(scope, topologyAt(scope, { at: at('10:45') }), { from: 'a' }).execute()
    expect(rows.map(({ urn, depth }) => [urn, depth])).toEqual([
      ['b', 1],
      ['host', 1],
      ['🦊"$$', 2],
    ])
  })

  it('refuses what is no moment', () => {
    expect(() => topologyAt(scope, { at: new Date(Number.NaN) })).toThrow(/^at: /)
    expect(() => topologyAt(scope, { at: at('10:00'), relation: '' })).toThrow(/^relation: must not be empty/)
  })

  it.skipIf(!leg.concurrent)('finds them by the GiST index', async () => {
    const big = await tenant(test.db, 'big')
    await services(
      big,
      Array.from({ length: 200 }, (_, index) => `s${index}`),
    )
    await sql`
      insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid)
      select ${big.tenantId}, source.resource_id, target.resource_id, 'calls',
        tstzrange(timestamptz '2026-01-01Z' + day * interval '1 day', timestamptz '2026-01-01Z' + (day + 1) * interval '1 day')
      from ${scope.id('dim_resource')} as source
      join ${scope.id('dim_resource')} as target on target.tenant_id = source.tenant_id and target.resource_id % 20 = source.resource_id % 20
      cross join generate_series(0, 20) as day
      where source.tenant_id = ${big.tenantId}
    `.execute(test.db)
    await sql`analyze ${scope.id('topo_edge_time')}, ${scope.id('dim_resource')}`.execute(test.db)
    const plan = await topologyAt(big, { at: new Date('2026-01-03T12:00:00Z') }).explain('text')
    expect(JSON.stringify(plan)).toMatch(/Index Cond:[^,]*valid @>/)
    expect(await topologyAt(big, { at: new Date('2026-01-03T12:00:00Z') }).execute()).toHaveLength(2000)
  })
})
