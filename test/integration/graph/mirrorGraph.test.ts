import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { mirrorGraph } from '../../../src/graph/mirrorGraph.ts'
import { toGraphology } from '../../../src/graph/toGraphology.ts'
import { freshDatabase, leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { frame } from './frame.ts'

const nothing = { added: 0, changed: 0, removed: 0 }

onEveryLeg('mirrorGraph', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await freshDatabase()
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
    await expect(mirrorGraph(scope, foreign, { attributes: [] })).rejects.toThrow(/^edges: has an end that is no resource of tenant t-001/)
    const { rows } = await sql<{ count: number }>`select count(*)::int4 as count from ${sql.id(scope.graphName, 'CALLS')}`.execute(test.db)
    expect(rows).toEqual([{ count: 1 }])
  })

  it.skipIf(!leg.age)('takes any label that is a name, and no other', async () => {
    const edges = await frame(scope, [['a', 'b']])
    for (const label of ['', '1', 'a b', 'a"b', '_x', 'Resource', 'x'.repeat(49), "x'); drop"]) {
      await expect(mirrorGraph(scope, edges, { label, attributes: [] })).rejects.toThrow(/^options\.label: /)
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
