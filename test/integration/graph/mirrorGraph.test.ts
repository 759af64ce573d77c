import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { mirrorGraph } from '../../../src/graph/mirrorGraph.ts'
import { toGraphology } from '../../../src/graph/toGraphology.ts'
import type { EdgeRow } from '../../../src/graph/edgeFrame.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { services } from '../../support/rows.ts'
import { frame } from './frame.ts'

const nothing = { added: 0, changed: 0, removed: 0 }

onEveryLeg('mirrorGraph', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  it.skipIf(!leg.age)('keeps labels apart: a vertex stays while an edge of any label needs it', async () => {
    const calls = await frame(scope, [['a', 'b', 1]])
    const runs = await frame(scope, [['a', 'host', 2]])
    await mirrorGraph(scope, calls, { attributes: ['weight'] })
    expect(await mirrorGraph(scope, runs, { label: 'RUNS_ON', attributes: ['weight'] })).toEqual({
      vertices: { ...nothing, added: 1 },
      edges: { ...nothing, added: 1 },
    })
    expect(await mirrorGraph(scope, await frame(scope, []), { attributes: [] })).toEqual({
      vertices: { ...nothing, removed: 1 },
      edges: { ...nothing, removed: 1 },
    })
    expect(await mirrorGraph(scope, runs, { label: 'RUNS_ON', attributes: ['weight'] })).toEqual({ vertices: nothing, edges: nothing })
  })

  it.skipIf(!leg.age)('refuses an edge given twice and an end that is nobody, and writes nothing', async () => {
    const other = await tenant(test.db, 'other')
    await mirrorGraph(scope, await frame(scope, [['a', 'b', 1]]), { attributes: ['weight'] })
    const twice = await frame(scope, [
      ['a', 'c', 1],
      ['a', 'c', 2],
    ])
    await expect(mirrorGraph(scope, twice, { attributes: [] })).rejects.toThrow(/^edges: has more than one edge from/)
    const foreign = await frame(other, [['secret', 'b']])
    await expect(mirrorGraph(scope, foreign, { attributes: [] })).rejects.toThrow(
      /^edges: has an end that is not a resource of tenant t-001/,
    )
    const { rows } = await sql<{ count: number }>`select count(*)::int4 as count from ${sql.id(scope.graphName, 'CALLS')}`.execute(test.db)
    expect(rows).toEqual([{ count: 1 }])
  })

  it.skipIf(!leg.age)('writes no null, keeps the earliest and leaves alone what only differs in that', async () => {
    const own = await tenant(test.db, 'earliest')
    const ids = await services(own, ['a', 'b'])
    const edge = (since: string | null, note: string | null) =>
      own.db
        .selectFrom(
          sql<EdgeRow & { since: string | null; note: string | null }>`(
            select ${ids.get('a')}::int8 as src, ${ids.get('b')}::int8 as dst, 1::float8 as weight, ${since}::text as since, ${note}::text as note
          )`.as('given'),
        )
        .selectAll('given')
    const mirror = (since: string | null, note: string | null) =>
      mirrorGraph(own, edge(since, note), { attributes: ['weight', 'since', 'note'], keepEarliest: ['since'] })
    const properties = async () => {
      const { rows } = await sql<{ text: string }>`
        select ag_catalog.agtype_out(properties)::text as text from ${sql.id(own.graphName, 'CALLS')}
      `.execute(test.db)
      return rows.map(({ text }): unknown => JSON.parse(text))
    }
    const unchanged = { vertices: nothing, edges: nothing }
    expect((await mirror(null, null)).edges).toEqual({ ...nothing, added: 1 })
    expect(await properties()).toEqual([{ weight: 1 }])
    expect((await mirror('2026-01-02', null)).edges).toEqual({ ...nothing, changed: 1 })
    expect(await mirror('2026-01-03', null)).toEqual(unchanged)
    expect(await mirror(null, null)).toEqual(unchanged)
    expect(await properties()).toEqual([{ weight: 1, since: '2026-01-02' }])
    expect((await mirror('2026-01-01', 'x')).edges).toEqual({ ...nothing, changed: 1 })
    expect(await mirror('2026-01-04', 'x')).toEqual(unchanged)
    expect(await properties()).toEqual([{ weight: 1, since: '2026-01-01', note: 'x' }])
    expect((await mirror('2026-01-04', null)).edges).toEqual({ ...nothing, changed: 1 })
    expect(await properties()).toEqual([{ weight: 1, since: '2026-01-01' }])
  })

  it.skipIf(!leg.age)('gives a graph of an older release the indexes on its ends, and room on its pages', async () => {
    const own = await tenant(test.db, 'older')
    const edges = await frame(own, [['a', 'b', 1]])
    await mirrorGraph(own, edges, { attributes: ['weight'] })
    const indexes = async () => {
      const { rows } = await sql<{ name: string }>`
        select indexname::text as name from pg_catalog.pg_indexes where schemaname = ${own.graphName} and indexname like 'CALLS%' order by 1
      `.execute(test.db)
      return rows.map(({ name }) => name)
    }
    const made = await indexes()
    expect(made).toContain('CALLS_start_id_resource_idx')
    expect(made).toContain('CALLS_end_id_resource_idx')
    for (const name of made.filter((each) => each.endsWith('_resource_idx')))
      await sql`drop index ${sql.id(own.graphName, name)}`.execute(test.db)
    const options = async () => {
      const { rows } = await sql<{ options: string[] | null }>`
        select reloptions as options from pg_catalog.pg_class where oid = ${`${own.graphName}."CALLS"`}::regclass
      `.execute(test.db)
      return rows[0]!.options
    }
    await sql`alter table ${sql.id(own.graphName, 'CALLS')} reset (fillfactor)`.execute(test.db)
    await mirrorGraph(own, edges, { attributes: ['weight'] })
    expect(await indexes()).toEqual(made)
    expect(await options()).toEqual(['fillfactor=50'])
    // What the owner decided stays.
    await sql`alter table ${sql.id(own.graphName, 'CALLS')} set (fillfactor = 80)`.execute(test.db)
    await mirrorGraph(own, edges, { attributes: ['weight'] })
    expect(await options()).toEqual(['fillfactor=80'])
  })

  it.skipIf(!leg.age)('refuses an edge that ends nowhere', async () => {
    const { src } = (await (await frame(scope, [['a', 'b']])).execute())[0]!
    for (const ends of [sql`${src}::int8 as src, null::int8 as dst`, sql`null::int8 as src, ${src}::int8 as dst`]) {
      const edges = scope.db.selectFrom(sql<EdgeRow>`(select ${ends}, 1::float8 as weight)`.as('edge')).selectAll('edge')
      await expect(mirrorGraph(scope, edges, { attributes: [] })).rejects.toThrow(
        /^edges: has an end that is not a resource of tenant .*: null$/,
      )
    }
  })

  it.skipIf(!leg.age)('takes any label that is a name, and no other', async () => {
    const edges = await frame(scope, [['a', 'b']])
    for (const label of ['', '1', 'a b', 'a"b', '_x', 'Resource', 'x'.repeat(49), "x'); drop"]) {
      await expect(mirrorGraph(scope, edges, { label, attributes: [] })).rejects.toThrow(/^label: /)
    }
  })

  it('is a graphology graph too', async () => {
    const graph = await toGraphology(
      await frame(scope, [
        ['a', 'b', 1],
        ['b', 'a', 2],
        ['b', 'b'],
      ]),
    )
    expect([graph.order, graph.size]).toEqual([2, 3])
    expect(graph.mapEdges((_, { weight }) => weight).sort()).toEqual([1, 2, null])
    await expect(
      toGraphology(
        await frame(scope, [
          ['a', 'b'],
          ['a', 'b'],
        ]),
      ),
    ).rejects.toThrow(/^edges: has more than one edge from/)
  })
})
