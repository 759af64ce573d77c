import { CamelCasePlugin, sql, type Kysely, type NotNull } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { activeCalls, callsDuring } from '../../../src/calls/index.ts'
import { resourceIds } from '../../../src/catalog/index.ts'
import { tenantScope, type Scope } from '../../../src/database/index.ts'
import {
  cycles,
  cypher,
  impact,
  mirrorGraph,
  neighbourhood,
  reach,
  resourceNames,
  shortestPath,
  toGraphology,
  type EdgeFrame,
} from '../../../src/graph/index.ts'
import { rankSuspects } from '../../../src/incident/index.ts'
import { topK } from '../../../src/ranking/index.ts'
import { compareTopology, recordTopology, topologyAt } from '../../../src/topology/index.ts'
import { ageReads, answersOf, graphReads } from '../../support/graphReads.ts'
import { graphTimes, makeGraphWorld } from '../../support/graphWorld.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrowsBy, rounded, type Read } from '../../support/narrowed.ts'
import { at } from '../../support/rows.ts'

/** The tables of somebody else's program, in its own spelling. */
type Theirs = {
  teamRoster: { teamName: string; serviceUrn: string }
  'shop.serviceLink': { fromId: string; toId: string; latencyMs: number; kind: string }
}

const names = ['urn:0', 'urn:1', 'urn:2', 'urn:3', 'urn:4', 'urn:5', 'urn:6', 'urn:7', 'urn:host']
const { age } = leg
const { range, baseline, before, after } = graphTimes
const reads = (scope: Scope) => ({ ...graphReads(scope, names), ...(age && ageReads(scope, names)) })

onEveryLeg('the graph, composed', () => {
  let test: TestDatabase
  let scope: Scope
  let theirs: Kysely<Theirs>
  let ids: Map<string, string>
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await makeGraphWorld(await tenant(test.db), names, { size: 10, age })
    ids = await resourceIds(scope, names)
    theirs = test.db.withPlugin(new CamelCasePlugin()).$extendTables<Theirs>()
    await theirs.schema.createTable('teamRoster').addColumn('teamName', 'text').addColumn('serviceUrn', 'text').execute()
    await theirs
      .insertInto('teamRoster')
      .values([
        { teamName: 'storefront', serviceUrn: 'urn:0' },
        { teamName: 'money', serviceUrn: 'urn:2' },
      ])
      .execute()
    await theirs.schema.createSchema('shop').execute()
    await theirs.schema
      .createTable('shop.serviceLink')
      .addColumn('fromId', 'int8')
      .addColumn('toId', 'int8')
      .addColumn('latencyMs', 'int4')
      .addColumn('kind', 'text')
      .execute()
    const link = (from: number, to: number, latencyMs: number, kind: string) => ({
      fromId: ids.get(names[from]!)!,
      toId: ids.get(names[to]!)!,
      latencyMs,
      kind,
    })
    await theirs
      .insertInto('shop.serviceLink')
      .values([link(0, 1, 5, 'sync'), link(1, 2, 5, 'sync'), link(0, 2, 20, 'sync'), link(2, 3, 1, 'queue'), link(3, 2, 1, 'queue')])
      .execute()
  })
  afterAll(() => test.close())

  /** What the frame of the user's own table holds. */
  const links = () => theirs.selectFrom('shop.serviceLink').select(['fromId as src', 'toId as dst', 'latencyMs as weight', 'kind'])

  /** That it compiles to one statement, which the server takes as one. */
  async function expectOneStatement(query: Read): Promise<void> {
    expect(query.compile().sql).not.toContain(';')
    const { rows } = await sql`explain ${query}`.execute(test.db)
    expect(rows.length).toBeGreaterThan(3)
  }

  it('narrowed in SQL gives what filtering in TypeScript gives, whichever function it is', async () => {
    for (const { query, by } of Object.values(reads(scope))) await expectNarrowsBy(query, by)
  })

  it('answers the same nested, in a transaction, and through a Kysely of another type with plugins', async () => {
    const alone = await answersOf(reads(scope))
    const own = await tenantScope(theirs, 't-001')
    expect(await answersOf(reads(own))).toEqual(alone)
    for (const [name, { query }] of Object.entries(reads(scope))) {
      const nested = await scope.db.selectFrom(query.as('nested')).selectAll('nested').execute()
      expect([name, rounded(nested)]).toEqual([name, alone[name]])
      const counted = await theirs
        .selectFrom(query.as('nested'))
        .select((eb) => eb.fn.countAll<string>().as('rowCount'))
        .execute()
      expect([name, counted]).toEqual([name, [{ rowCount: String(alone[name]!.length) }]])
    }
    await test.db.transaction().execute(async (trx) => {
      const inner = await tenantScope(trx, 't-001')
      expect(await answersOf(reads(inner))).toEqual(alone)
    })
  })

  it('sees in a transaction what it wrote, and leaves nothing of it when that is rolled back', async () => {
    const alone = await answersOf(reads(scope))
    const undo = new Error('undo')
    const attempt = test.db.transaction().execute(async (trx) => {
      const inner = await tenantScope(trx, 't-001')
      await recordTopology(inner, links(), { at: before, relation: 'calls', source: 'tracing', attributes: ['kind'] })
      const recorded = topologyAt(inner, { at: before, relation: 'calls' })
      expect(await recorded.execute()).toHaveLength(5)
      expect((await reach(inner, recorded, { from: 'urn:0', hops: 9 }).execute()).map(({ urn }) => urn)).toEqual([
        'urn:1',
        'urn:2',
        'urn:3',
      ])
      throw undo
    })
    await expect(attempt).rejects.toBe(undo)
    expect(await answersOf(reads(scope))).toEqual(alone)
  })

  it('reach over a neighbourhood over the calls of a window is one statement', async () => {
    const near = neighbourhood(scope, callsDuring(scope, { range }), { resource: 'urn:0' })
    const found = reach(scope, near.where('dst', '!=', ids.get('urn:host')!), { from: 'urn:6', hops: 9 })
    await expectOneStatement(found)
    expect((await found.execute()).map(({ urn, depth, via_urn }) => [urn, depth, via_urn])).toEqual([
      ['urn:0', 1, 'urn:6'],
      ['urn:7', 1, 'urn:6'],
      ['urn:1', 2, 'urn:0'],
      ['urn:2', 2, 'urn:0'],
    ])
  })

  it('topK over impact over the topology of a moment is one statement', async () => {
    const hit = impact(scope, topologyAt(scope, { at: before, relation: 'calls' }), { resource: 'urn:2', hops: 1 })
    const worst = topK(scope, hit, 1)
    await expectOneStatement(worst)
    // Each calls two others, so half of what either does leads there.
    expect((await hit.execute()).map(({ urn, share }) => [urn, share])).toEqual([
      ['urn:0', 0.5],
      ['urn:1', 0.5],
    ])
    expect(await worst.execute()).toMatchObject([{ item: 'urn:0', score: 1 }])
  })

  it("suspects join the user's table in one statement", async () => {
    const suspects = rankSuspects(scope, { service: 'urn:0', range, baseline })
    const owned = theirs
      .selectFrom('teamRoster as team')
      .innerJoin(suspects.as('suspect'), 'suspect.urn', 'team.serviceUrn')
      .select(['team.teamName', 'suspect.item', 'suspect.depth'])
      .orderBy('suspect.score', 'desc')
    await expectOneStatement(owned)
    expect(await owned.limit(1).execute()).toEqual([{ teamName: 'money', item: 'urn:2', depth: 1 }])
  })

  it('walks over what a comparison of topologies found', async () => {
    const found = compareTopology(scope, { before, after, withUnchanged: true })
    expect(
      await neighbourhood(scope, found.where('kind', '=', 'appeared'), { resource: 'urn:host', direction: 'in' }).execute(),
    ).toMatchObject([{ kind: 'appeared', src_urn: 'urn:0', dst_urn: 'urn:host', relation: 'calls', props_before: null, props_after: {} }])
    const gone = reach(scope, found.where('kind', '=', 'vanished'), { from: 'urn:0' })
    await expectOneStatement(gone)
    expect((await gone.execute()).map(({ urn }) => urn)).toEqual(['urn:2'])
  })

  it.runIf(age)('Cypher joins what is reached, and is itself a frame to walk', async () => {
    const columns = { src: 'int8', dst: 'int8', weight: 'float8', callee: 'text' } as const
    const text = 'MATCH (a:Resource)-[c:CALLS]->(b:Resource) WHERE b.urn <> $not RETURN a.resource_id, b.resource_id, c.rps, b.urn'
    const asked = cypher(scope, { columns }, text, { not: 'urn:1' }).$narrowType<{ src: NotNull; dst: NotNull }>()
    const without = activeCalls(scope).where('dst', '!=', ids.get('urn:1')!)
    const found = reach(scope, asked, { from: 'urn:0', hops: 2 })
    expect(await found.execute()).toEqual(await reach(scope, without, { from: 'urn:0', hops: 2 }).execute())
    const joined = found
      .innerJoin(asked.as('call'), 'call.callee', 'reached.urn')
      .clearSelect()
      .select(({ fn }) => ['reached.urn', fn.countAll<string>().as('callers')])
      .groupBy('reached.urn')
      .orderBy('reached.urn')
    await expectOneStatement(joined)
    expect(await joined.execute()).toEqual(['urn:2', 'urn:3', 'urn:4', 'urn:host'].map((urn) => ({ urn, callers: '2' })))
  })

  it("walks the user's own table, whatever the frame is made of", async () => {
    const frames: Record<string, EdgeFrame> = {
      table: links(),
      distinct: links().distinct(),
      union: links()
        .where('kind', '=', 'queue')
        .unionAll(links().where('kind', '!=', 'queue')),
      limited: links().orderBy('latencyMs').limit(100),
      grouped: links().groupBy(['fromId', 'toId', 'latencyMs', 'kind']),
      'with a member of its own': theirs
        .with('link', () => links())
        .selectFrom('link')
        .selectAll(),
      joined: links().innerJoin('teamRoster', (join) => join.on('teamRoster.serviceUrn', '=', 'urn:0')),
      'named like what a walk names': theirs.selectFrom(links().as('edge')).selectAll('edge'),
    }
    for (const [name, frame] of Object.entries(frames)) {
      const reached = await reach(scope, frame, { from: 'urn:0' }).execute()
      expect([name, reached.map(({ urn, depth }) => [urn, depth])]).toEqual([
        name,
        [
          ['urn:1', 1],
          ['urn:2', 1],
          ['urn:3', 2],
        ],
      ])
      const path = await shortestPath(scope, frame, { from: 'urn:0', to: 'urn:3', length: 'weight' }).execute()
      expect([name, path.map(({ urn, cost }) => [urn, cost])]).toEqual([
        name,
        [
          ['urn:0', 0],
          ['urn:1', 5],
          ['urn:2', 10],
          ['urn:3', 11],
        ],
      ])
      const hit = await impact(scope, frame, { resource: 'urn:1' }).execute()
      expect([name, hit]).toMatchObject([name, [{ urn: 'urn:0', share: 0.2, weight: 5 }]])
      const loops = await cycles(scope, frame).execute()
      expect([name, loops]).toEqual([name, [{ component: 1, size: 2, members: ['urn:2', 'urn:3'], cycle: ['urn:2', 'urn:3'] }]])
      expect([name, await neighbourhood(scope, frame, { resource: 'urn:3' }).execute()]).toMatchObject([
        name,
        [{ weight: 1 }, { weight: 1 }],
      ])
      const graph = await toGraphology(frame, { scope, vertices: resourceNames(scope) })
      expect([name, graph.size, graph.getNodeAttribute(ids.get('urn:2'), 'urn')]).toEqual([name, 5, 'urn:2'])
    }
  })

  it('leaves out edges whose end nobody knows, and does not record them', async () => {
    const loose = links().unionAll(
      theirs
        .selectFrom('shop.serviceLink')
        .select((eb) => ['fromId as src', sql<string>`null::int8`.as('dst'), 'latencyMs as weight', eb.val('loose').as('kind')]),
    )
    const walks = (frame: EdgeFrame) => [
      reach(scope, frame, { from: 'urn:0' }),
      shortestPath(scope, frame, { from: 'urn:0', to: 'urn:3' }),
      impact(scope, frame, { resource: 'urn:3' }).clearSelect().select(['urn', 'depth']),
      cycles(scope, frame),
    ]
    const [found, expected] = [walks(loose), walks(links())]
    for (const [index, walk] of found.entries()) expect(await walk.execute()).toEqual(await expected[index]!.execute())
    expect((await neighbourhood(scope, loose, { resource: 'urn:0', hops: 9 }).execute()).length).toBe(5)
    await expect(recordTopology(scope, loose, { at: at('10:00'), relation: 'loose', source: 'cmdb' })).rejects.toThrow('"null"')
  })

  it("records the user's own table as topology, and mirrors it", async () => {
    const recorded = { relation: 'links', source: 'cmdb', attributes: ['kind'] } as const
    expect(await recordTopology(scope, links(), { ...recorded, at: at('10:00') })).toMatchObject({ opened: 5 })
    const queues = links().where('kind', '=', 'queue')
    expect(await recordTopology(scope, queues, { ...recorded, at: at('10:30') })).toMatchObject({ closed: 3, unchanged: 2 })
    const now = topologyAt(scope, { at: at('10:40'), relation: 'links' })
    expect((await now.execute()).map(({ src_urn, dst_urn, props }) => [src_urn, dst_urn, props])).toEqual([
      ['urn:2', 'urn:3', { kind: 'queue' }],
      ['urn:3', 'urn:2', { kind: 'queue' }],
    ])
    expect((await toGraphology(queues)).size).toBe(2)
    if (!age) return
    expect((await mirrorGraph(scope, links(), { label: 'LINKS', attributes: ['weight', 'kind'] })).edges.added).toBe(5)
    const text = 'MATCH (a)-[l:LINKS {kind: $kind}]->(b) RETURN a.urn, l.weight ORDER BY a.urn'
    expect(await cypher(scope, { columns: { urn: 'text', weight: 'int4' } }, text, { kind: 'queue' }).execute()).toEqual([
      { urn: 'urn:2', weight: 1 },
      { urn: 'urn:3', weight: 1 },
    ])
  })
})
