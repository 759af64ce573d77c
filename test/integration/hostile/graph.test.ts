import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { activeCalls, callsDuring, refreshCallGraph, verifyCallGraph, type ActiveCall } from '../../../src/calls/index.ts'
import { ensureTenant, listTenants } from '../../../src/catalog/index.ts'
import type { Scope } from '../../../src/database/index.ts'
import {
  cypher,
  cypherText,
  decodeAgtype,
  kShortestPaths,
  mirrorGraph,
  neighbourhood,
  pathsBetween,
  reach,
  resourceNames,
  shortestPath,
  toGraphology,
  type EdgeFrame,
  type EdgeRow,
} from '../../../src/graph/index.ts'
import { rankSuspects } from '../../../src/incident/index.ts'
import { doctor } from '../../../src/operate/index.ts'
import { compareTopology, edgeHistory, recordTopology, topologyAt, topologyChanges } from '../../../src/topology/index.ts'
import { ageReads, answersOf, graphReads } from '../../support/graphReads.ts'
import { graphTimes, makeGraphWorld } from '../../support/graphWorld.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { objects } from '../../support/objects.ts'
import { at, services } from '../../support/rows.ts'
import { everyText, fits, fitting, nasty, noText, storable } from './nasty.ts'

const { age } = leg
const { range, baseline } = graphTimes
const names = fitting(1024)

/** Hands what is not `taken` to `use`, which must refuse it. */
const onlyRefused = (field: string, taken: (text: string) => boolean, use: (text: string) => Promise<unknown>): Promise<void> =>
  everyText({ field, taken }, async (text) => (taken(text) ? text : use(text)))

apartFromTime('hostile text in the graph', () => {
  let test: TestDatabase
  let scope: Scope
  let before: string[]
  beforeAll(async () => {
    test = await cleanDatabase()
    before = await objects(test.db)
    scope = await makeGraphWorld(await tenant(test.db, `'; drop graph "$$`), names, { size: 10, age })
  })
  afterAll(() => test.close())

  const taken = fits(1024)
  /** The next of the ring that `makeGraphWorld` makes of all but the last. */
  const next = (urn: string, steps = 1) => {
    const ring = names.slice(0, -1)
    return ring[(ring.indexOf(urn) + steps) % ring.length]!
  }
  const inRing = (text: string) => taken(text) && text !== names.at(-1)
  const edges = () => callsDuring(scope, { range })

  it('as the URNs that every read answers with', async () => {
    const answers = await answersOf({ ...graphReads(scope, names), ...(age && ageReads(scope, names)) })
    for (const [name, rows] of Object.entries(answers)) expect([name, rows]).not.toEqual([name, []])
    const urns = (name: string, column = 'urn') => [...new Set(answers[name]!.map((row): unknown => Reflect.get(row, column)))].sort()
    const all = [...names].sort()
    expect(urns('resourceNames')).toEqual(all)
    expect(urns('reach')).toEqual(all.filter((urn) => urn !== names[0]))
    expect(urns('topologyAt', 'dst_urn')).toEqual(all)
    expect(urns('compareTopology', 'dst_urn')).toEqual(all)
    const [ring, alone] = answers.cycles as { members: string[]; cycle: string[] }[]
    expect([...ring!.members].sort()).toEqual(names.slice(0, -1).sort())
    expect(alone).toMatchObject({ members: [names.at(-1)], cycle: [names.at(-1)] })
    const graph = await toGraphology(edges(), { scope, vertices: resourceNames(scope) })
    expect(graph.mapNodes((_, { urn }) => urn).sort()).toEqual(all)
    if (!age) return
    expect(urns('cypher', 'callee')).toEqual(all.filter((urn) => urn !== names.at(-1)))
    expect(await refreshCallGraph(scope, graphTimes.refreshed)).toMatchObject({
      vertices: { added: 0, changed: 0, removed: 0 },
      edges: { added: 0, changed: 0, removed: 0 },
    })
    expect(await verifyCallGraph(scope, graphTimes.refreshed).execute()).toEqual([])
  })

  it('as where a walk begins and ends', async () => {
    await sql`create schema hostile`.execute(test.db)
    await sql`create table hostile.link as ${callsDuring(scope, { range })}`.execute(test.db)
    const link = sql<ActiveCall>`${sql.id('hostile', 'link')}`.as('link')
    const own = scope.db.selectFrom(link).select(['src', 'dst', 'weight', 'p95_ms'])
    const last = names.at(-1)!
    const path = async (frame: EdgeFrame<Pick<ActiveCall, keyof EdgeRow | 'p95_ms'>>, from: string, to: string, weight?: 'p95_ms') =>
      (await shortestPath(scope, frame, { from, to, length: weight }).execute()).map(({ urn }) => urn)
    for (const frame of [own, ...(age ? [activeCalls(scope)] : [])]) {
      await everyText({ field: 'from', taken }, async (from) => {
        const [begin, end] = await path(frame, from, inRing(from) ? next(from) : last)
        expect(end).toBe(from === last ? undefined : next(from))
        return begin
      })
    }
    await everyText({ field: 'to', taken }, async (to) => (await path(own, names[0]!, to, 'p95_ms')).at(-1))
    await everyText({ field: 'resource', taken }, async (of) => {
      const near = neighbourhood(scope, own, { resource: of, direction: 'out' })
      const found = await reach(scope, near, { from: of, hops: 1 }).execute()
      expect(found.map(({ urn }) => urn)).toEqual(of === last ? [] : expect.arrayContaining([next(of), next(of, 2)]))
      return of
    })
    for (const walk of [kShortestPaths, pathsBetween]) {
      await everyText({ field: 'from', taken }, async (from) => (await walk(scope, own, { from, to: from }).execute())[0]!.urn)
      await everyText({ field: 'to', taken }, async (to) => (await walk(scope, own, { from: taken(to) ? to : last, to }).execute())[0]!.urn)
    }
    await noText('direction', (direction) => shortestPath(scope, own, { from: 'a', to: 'b', direction: direction as 'in' }))
    await noText('direction', (direction) => neighbourhood(scope, own, { resource: 'a', direction: direction as 'in' }))
  })

  it('as the column that says how long an edge is, and as what is mirrored and recorded', async () => {
    const ids = await services(scope, names)
    const [src, dst] = [ids.get(names[0]!)!, ids.get(names[1]!)!]
    const columns = fitting(63).map((column) => column as 'weight')
    const ends = [sql<string>`${src}::int8`.as('src'), sql<string>`${dst}::int8`.as('dst')] as const
    const frame = scope.db.selectNoFrom([...ends, ...columns.map((column, index) => sql<number>`${index}::float8`.as(column))])
    for (const [index, weight] of columns.entries()) {
      const path = await shortestPath(scope, frame, { from: names[0]!, to: names[1]!, length: weight }).execute()
      expect([weight, path.map(({ cost }) => cost)]).toEqual([weight, [0, index]])
    }
    const expected = Object.fromEntries(columns.map((column, index) => [column, index]))
    await recordTopology(scope, frame, { relation: 'columns', source: 'said', at: at('10:00'), attributes: columns })
    const [edge] = await topologyAt(scope, { at: at('10:05'), relation: 'columns' }).execute()
    expect(new Map(Object.entries(edge!.props as object))).toEqual(new Map(Object.entries(expected)))
    if (age) {
      await mirrorGraph(scope, frame, { label: 'HOSTILE', attributes: columns })
      const [mirrored] = await cypher(scope, { columns: { all: 'agtype' } }, 'MATCH ()-[c:HOSTILE]->() RETURN properties(c)').execute()
      expect(new Map(Object.entries(decodeAgtype(mirrored!.all!) as object))).toEqual(new Map(Object.entries(expected)))
    }
    const none = scope.db
      .selectFrom(sql<EdgeRow>`(select 1::int8 as src, 2::int8 as dst, 3::float8 as weight)`.as('edge'))
      .selectAll('edge')
    for (const walk of [shortestPath, kShortestPaths]) {
      for (const text of nasty.filter((text) => !fits(63)(text))) {
        expect(() => walk(scope, none, { from: 'a', to: 'b', length: text as 'weight' })).toThrow(/^length: /)
      }
      // Well formed, it is a column that the frame does not have.
      await expect(walk(scope, none, { from: 'a', to: 'b', length: 'x" from pg_class; --' as 'weight' }).execute()).rejects.toThrow(
        'does not exist',
      )
    }
  })

  it('as what a topology is of, who says so, and what it says', async () => {
    const edge = { from: names[0]!, to: names[1]! }
    const moment = at('10:00')
    const of = { at: moment, relation: 'said', source: 'said' }
    await everyText({ field: 'relation', taken: fits(255) }, async (relation) => {
      // Its source is called the same.
      const filter = { relation, source: fits(255)(relation) ? relation : 'said' }
      await recordTopology(scope, [edge], { at: moment, ...filter })
      const [change] = await topologyChanges(scope, { range, ...filter }).execute()
      const [compared] = await compareTopology(scope, { before: at('09:59'), after: moment, ...filter }).execute()
      const [held] = await topologyAt(scope, { at: moment, ...filter }).execute()
      expect([change!.kind, compared!.kind, held!.sources]).toEqual(['appeared', 'appeared', [relation]])
      const [version] = await edgeHistory(scope, { ...edge, ...filter }).execute()
      expect([change!.relation, compared!.relation, held!.relation, version!.source]).toEqual(Array.from({ length: 4 }, () => relation))
      return version!.relation
    })
    for (const use of [
      (source: string) => recordTopology(scope, [edge], { ...of, source }),
      async (source: string) => topologyAt(scope, { at: moment, source }),
      async (source: string) => topologyChanges(scope, { range, source }),
      async (source: string) => compareTopology(scope, { before: moment, after: moment, source }),
      async (source: string) => edgeHistory(scope, { ...edge, source }),
    ]) {
      // None is a source too, but not one that records.
      await onlyRefused('source', (text) => text === '' || fits(255)(text), use)
    }
    for (const end of ['from', 'to'] as const) {
      await onlyRefused(`snapshot[0].${end}`, taken, (urn) => recordTopology(scope, [{ ...edge, [end]: urn }], of))
      await onlyRefused(end, taken, async (urn) => edgeHistory(scope, { ...edge, [end]: urn }))
    }
    await onlyRefused('snapshot[0].props', storable, (text) =>
      recordTopology(scope, [{ ...edge, props: Object.fromEntries([[text, 1]]) }], of),
    )
    const texts = nasty.filter(storable)
    const props = Object.fromEntries(texts.map((text) => [text, [text, Object.fromEntries([[text, null]])]]))
    await recordTopology(
      scope,
      [...new Set(names)].map((urn) => ({ from: urn, to: urn, props })),
      of,
    )
    const held = await topologyAt(scope, { at: moment, relation: 'said', source: 'said' }).execute()
    expect(held.map(({ src_urn }) => src_urn).sort()).toEqual([...names].sort())
    for (const { props: found } of held) expect(new Map(Object.entries(found as object))).toEqual(new Map(Object.entries(props)))
    for (const urn of names) {
      const [version] = await edgeHistory(scope, { from: urn, to: urn, relation: 'said' }).execute()
      expect([version!.src_urn, version!.dst_urn]).toEqual([urn, urn])
    }
    // What is refused changed nothing, and no history but its own.
    expect(await topologyAt(scope, { at: graphTimes.before, relation: 'runs_on' }).execute()).toHaveLength(names.length - 1)
    const unknown = recordTopology(scope, [{ from: 'urn:no\nsuch', to: names[0]! }], { at: moment, relation: 'calls', source: 'said' })
    await expect(unknown).rejects.toThrow(/does not have these resources of the snapshot: "urn:no\\nsuch"/)
  })

  it('as where it hurts, in which measure', async () => {
    const suspects = (options: Partial<Parameters<typeof rankSuspects>[1]>) =>
      rankSuspects(scope, { service: names[0]!, range, baseline, ...options })
    await noText('trouble', (trouble) => suspects({ trouble: trouble as 'latency' }))
    await noText('meanings[0].means', (means) => suspects({ meanings: [{ metric: 'm', means: means as 'cpu' }] }))
    await everyText({ field: 'meanings[0].metric', taken: fits(255) }, async (metric) => {
      suspects({ meanings: [{ metric, means: 'cpu' }] }).compile()
      return metric
    })
    const every = fitting(255).map((metric) => ({ metric, means: 'saturation' }) as const)
    expect((await suspects({ meanings: every }).execute()).length).toBeGreaterThan(1)
  })

  it.runIf(age)('as a parameter of Cypher, its name, and a column', async () => {
    await everyText({ field: 'params', taken: storable }, async (text) => {
      const columns = { it: 'text', all: 'agtype', map: 'map' } as const
      const [row] = await cypher(scope, { columns }, 'RETURN $it, [$it, {key: $it}], $map', {
        it: text,
        map: Object.fromEntries([[text, text]]),
      }).execute()
      expect(decodeAgtype(row!.all!)).toEqual([text, { key: text }])
      expect(Object.entries(row!.map!)).toEqual([[text, text]])
      return row!.it
    })
    await everyText({ field: /^columns/, taken: (text) => fits(63)(text) && text !== '__proto__' }, async (column) => {
      const [row] = await cypher(scope, { columns: Object.fromEntries([[column, 'int4']]) }, 'RETURN 7').execute()
      expect(Object.entries(row!)).toEqual([[column, 7]])
      return Object.keys(row!)[0]
    })
    const beside = Object.fromEntries([['__proto__', 'int4'] as const, ['other', 'int4'] as const])
    expect(() => cypher(scope, { columns: beside }, 'RETURN 7, 8')).toThrow(/^columns/)
    await noText(/^columns/, (type) => cypher(scope, { columns: { one: type as 'text' } }, 'RETURN 1'))
    await noText('params', (name) => cypher(scope, { columns: { one: 'int4' } }, 'RETURN 1', Object.fromEntries([[name, 1]])))
    await noText('values[0]', async (label) => cypherText`MATCH (a:${` ${label}`}) RETURN a`)
  })

  it.runIf(age)('as the text of Cypher does what it says, or nothing', async () => {
    const standing = await sql<{ count: string }>`select count(*) as count from ${sql.id(scope.graphName, 'Resource')}`.execute(scope.db)
    for (const text of nasty) {
      const outcome: unknown = await (async () => cypher(scope, { columns: { one: 'agtype' } }, text).execute())().catch(
        (error: unknown) => error,
      )
      expect([text, outcome]).toEqual([text, expect.any(Error)])
    }
    // In a string of the text it is a string.
    for (const text of fitting(1024).filter((text) => !/['\\]/.test(text))) {
      const outcome: unknown = await (async () => cypher(scope, { columns: { one: 'text' } }, `RETURN '${text}'`).execute())().catch(
        (error: unknown) => error,
      )
      if (!(outcome instanceof Error)) expect(outcome).toEqual([{ one: text }])
    }
    const after = await sql<{ count: string }>`select count(*) as count from ${sql.id(scope.graphName, 'Resource')}`.execute(scope.db)
    expect(after.rows).toEqual(standing.rows)
  })

  it('as the codes of tenants, of which the list has all', async () => {
    const codes = fitting(255)
    for (const code of codes) await ensureTenant(test.db, { code })
    const listed = (await listTenants(test.db)).map(({ code }) => code)
    expect(listed).toEqual([...codes, scope.tenantCode].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))))
  })

  it('as the ends of edges that are no ids, of which graphology is given none it cannot hold', async () => {
    for (const end of ['__proto__', 'constructor', 'hasOwnProperty', 'toString']) {
      const frame = scope.db.selectNoFrom([
        sql<string>`${end}::text`.as('src'),
        sql<string>`'b'::text`.as('dst'),
        sql<null>`null::float8`.as('weight'),
      ])
      await expect(toGraphology(frame)).rejects.toThrow(`edges: has an end called ${end}`)
    }
    for (const end of fitting(1024).filter((text) => !(text in Object.prototype))) {
      const frame = scope.db.selectNoFrom([
        sql<string>`${end}::text`.as('src'),
        sql<string>`'b'::text`.as('dst'),
        sql<null>`null::float8`.as('weight'),
      ])
      expect((await toGraphology(frame)).nodes()).toEqual([end, 'b'])
    }
  })

  it('leaves everything standing that was there before', async () => {
    const now = new Set(await objects(test.db))
    expect(before.filter((object) => !now.has(object))).toEqual([])
    expect((await doctor(test.db)).drift).toEqual([])
  })
})
