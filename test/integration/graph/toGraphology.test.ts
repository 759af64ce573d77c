import { sql, type KyselyPlugin } from 'kysely'
import { MultiDirectedGraph } from 'graphology'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { reach, resourceNames, toGraphology } from '../../../src/graph/index.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { services } from '../../support/rows.ts'
import { frame } from './frame.ts'

apartFromTime('toGraphology', () => {
  let database: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    database = await cleanDatabase()
    scope = await tenant(database.db)
  })
  afterAll(() => database.close())

  /** Edges from i to i + 1, for i from 1. */
  const chain = (length: number, on = scope) =>
    on.db
      .selectFrom(
        sql<{ src: string; dst: string; weight: number | null; seen: Date }>`(
          select i::int8 as src, i::int8 + 1 as dst, nullif(i, 7)::float8 as weight, timestamptz '2026-11-22T10:00:00Z' as seen
          from generate_series(1, ${length}::int4) as i
        )`.as('edge'),
      )
      .selectAll('edge')

  /** The scope, and the sizes of the answers it got. */
  const watched = (): { scope: Scope; sizes: number[] } => {
    const sizes: number[] = []
    const plugin: KyselyPlugin = {
      transformQuery: ({ node }) => node,
      transformResult: async ({ result }) => {
        sizes.push(result.rows.length)
        return result
      },
    }
    return { scope: { ...scope, db: scope.db.withPlugin(plugin) }, sizes }
  }

  it('streams 40,000 edges through a cursor, with their attributes as the frame types them', async () => {
    const { scope: ours, sizes } = watched()
    const graph = await toGraphology(chain(40_000), { scope: ours })
    expect([graph.order, graph.size]).toEqual([40_001, 40_000])
    expect(graph.getEdgeAttributes('7', '8')).toEqual({ weight: null, seen: new Date('2026-11-22T10:00:00Z') })
    expect(graph.getEdgeAttributes('40000', '40001').weight).toBe(40_000)
    expect(Math.max(...sizes)).toBe(2_000)
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(40_010)
  })

  it.each([0, 1, 1_999, 2_000, 2_001, 4_000])('gives the same graph of %i edges with and without a scope', async (length) => {
    const graph = await toGraphology(chain(length), { scope })
    expect(graph.size).toBe(length)
    const whole = await toGraphology(chain(length))
    expect(graph.nodes()).toEqual(whole.nodes())
    expect(graph.mapEdges((_, attributes, src, dst) => [src, dst, attributes])).toEqual(
      whole.mapEdges((_, attributes, src, dst) => [src, dst, attributes]),
    )
  })

  it('describes the vertices that occur, and no others', async () => {
    const edges = await frame(scope, [
      ['urn:web', 'urn:api', 2],
      ['urn:api', 'urn:db', 1],
    ])
    await services(scope, ['urn:alone'])
    const graph = await toGraphology(edges, { scope, vertices: resourceNames(scope) })
    expect(graph.mapNodes((_, { urn, type, name }) => [urn, type, name])).toEqual([
      ['urn:web', 'service', 'web'],
      ['urn:api', 'service', 'api'],
      ['urn:db', 'service', 'db'],
    ])
    expect(graph.everyNode((id, { resource_id }) => id === resource_id)).toBe(true)
  })

  it('names the resources of the tenant alone, narrowed as in TypeScript', async () => {
    const other = await tenant(database.db, 't-002')
    await services(other, ['urn:theirs'])
    await services(scope, [`urn:'"; --`, 'urn:web'])
    await expectNarrows(
      resourceNames(scope),
      (eb) => eb('name', '=', 'web'),
      ({ name }) => name === 'web',
    )
    const urns = (await resourceNames(scope).execute()).map(({ urn }) => urn)
    expect(urns).toContain(`urn:'"; --`)
    expect(urns).not.toContain('urn:theirs')
    expect((await resourceNames(other).execute()).map(({ urn, type, name }) => [urn, type, name])).toEqual([
      ['urn:theirs', 'service', 'theirs'],
    ])
  })

  it('takes any query with a resource_id for the vertices, and refuses one that leaves some out or repeats some', async () => {
    const edges = await frame(scope, [['urn:web', 'urn:api']])
    const ids = await services(scope, ['urn:web', 'urn:api'])
    await expect(toGraphology(edges, { scope, vertices: reach(scope, edges, { from: 'urn:web' }) })).rejects.toThrow(
      `vertices: has no row for resource ${ids.get('urn:web')}, which is an end of an edge`,
    )
    const names = resourceNames(scope)
    await expect(toGraphology(edges, { scope, vertices: names.unionAll(resourceNames(scope)) })).rejects.toThrow(
      /^vertices: has more than one row for resource \d+$/,
    )
    await expect(toGraphology(edges, { vertices: names } as never)).rejects.toThrow('scope: must be given with vertices')
  })

  it('keeps several edges between the same two with multi, and refuses them without', async () => {
    const twice = await frame(scope, [
      ['urn:web', 'urn:api', 2],
      ['urn:web', 'urn:api', 3],
    ])
    const graph = await toGraphology(twice, { scope, multi: true })
    expect(graph).toBeInstanceOf(MultiDirectedGraph)
    expect(graph.mapEdges((_, { weight }) => weight)).toEqual([2, 3])
    for (const options of [{}, { scope }]) {
      const refused = toGraphology(twice, options)
      await expect(refused).rejects.toThrow(InvalidInputError)
      await expect(refused).rejects.toThrow(/^edges: has more than one edge from \d+ to \d+/)
    }
  })

  const openCursors = async (on: Scope) =>
    (await sql<{ name: string }>`select name from pg_catalog.pg_cursors where name <> ''`.execute(on.db)).rows

  it('leaves nothing open when the rows are no graph, not in the transaction of a caller either', async () => {
    const repeated = (on: Scope) => chain(5_000, on).unionAll(chain(1, on))
    await expect(toGraphology(repeated(scope), { scope })).rejects.toThrow('more than one edge from 1 to 2')
    await scope.db.transaction().execute(async (trx) => {
      const inside = await tenantScope(trx, 't-001')
      await expect(toGraphology(repeated(inside), { scope: inside })).rejects.toThrow('more than one edge from 1 to 2')
      expect(await openCursors(inside)).toEqual([])
      expect((await toGraphology(chain(3, inside), { scope: inside })).size).toBe(3)
      expect(await openCursors(inside)).toEqual([])
      const { rows } = await sql<{ fraction: string }>`select current_setting('cursor_tuple_fraction') as fraction`.execute(trx)
      expect(rows[0]!.fraction).toBe('0.1')
    })
  })

  it('leaves nothing open when the statement fails in the middle, and says what the server said', async () => {
    const failing = chain(10_000).where(sql<number>`1 / (5000 - edge.src)`, '<', 2)
    await expect(toGraphology(failing, { scope })).rejects.toThrow('division by zero')
    await expect(toGraphology(failing)).rejects.toThrow('division by zero')
    expect(await openCursors(scope)).toEqual([])
    if (!leg.concurrent) return
    const { rows } = await sql<{ state: string }>`
      select state from pg_catalog.pg_stat_activity where datname = current_database() and state like 'idle in transaction%'
    `.execute(scope.db)
    expect(rows).toEqual([])
  })

  it('gives up when told to', async () => {
    const { scope: ours, sizes } = watched()
    await expect(toGraphology(chain(40_000), { scope: ours, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(sizes.filter((size) => size === 2_000)).toEqual([])
    await expect(toGraphology(chain(3), { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })
})
