import { CamelCasePlugin, sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { activeCalls, callsDuring } from '../../../src/calls/index.ts'
import { ensureTenant, listTenants, resourceIds } from '../../../src/catalog/index.ts'
import { connect, tenantScope, type Scope } from '../../../src/database/index.ts'
import { cypher, mirrorGraph, reach, resourceNames, toGraphology, type EdgeRow } from '../../../src/graph/index.ts'
import { migrateUp } from '../../../src/operate/index.ts'
import { NotFoundError } from '../../../src/schema/index.ts'
import { recordTopology } from '../../../src/topology/index.ts'
import { ageReads, answersOf, expectOnlyIds, graphReads, walkReads, withoutIds } from '../../support/graphReads.ts'
import { graphTimes, makeGraphWorld } from '../../support/graphWorld.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { rounded } from '../../support/narrowed.ts'
import { at, services } from '../../support/rows.ts'
import { grantAll } from '../../support/role.ts'

const names = ['urn:web', 'urn:cart', 'urn:pay', 'urn:stock', 'urn:mail', 'urn:price', 'urn:tax', 'urn:ad', 'urn:host']
const theirNames = [...names.slice(0, 8), 'urn:theirs', 'urn:host']
const { age } = leg
const reads = (scope: Scope) => ({ ...graphReads(scope, names), ...(age && ageReads(scope, names)) })
const { range } = graphTimes
/** Cypher on a graph that does not exist is an error, not an empty answer. */
const withoutCypher = ({ cypher: _, ...rest }: ReturnType<typeof ageReads>) => rest

onEveryLeg('every read of the graph', () => {
  let test: TestDatabase
  let a: Scope
  let b: Scope
  let alone: Record<string, object[]>
  beforeAll(async () => {
    test = await cleanDatabase()
    b = await tenant(test.db, 'b')
    a = await makeGraphWorld(await tenant(test.db, 'a'), names, { size: 10, age })
    alone = await answersOf(reads(a))
  })
  afterAll(() => test.close())

  it('finds something for the tenant that has it', async () => {
    for (const [name, rows] of Object.entries(alone)) expect([name, rows]).not.toEqual([name, []])
    expectOnlyIds(alone, new Set((await resourceIds(a, names)).values()))
  })

  it('finds nothing for a tenant that has nothing but the same URNs', async () => {
    await services(b, names)
    const { resourceNames: theNames, ...others } = graphReads(b, names)
    const nothing = { ...others, ...(age && withoutCypher(ageReads(b, names))) }
    for (const [name, rows] of Object.entries(await answersOf(nothing))) expect([name, rows]).toEqual([name, []])
    if (age) await expect(ageReads(b, names).cypher.query.execute()).rejects.toThrow('does not exist')
    expect((await toGraphology(callsDuring(b, { range }), { scope: b, vertices: resourceNames(b) })).order).toBe(0)
    expect(await theNames.query.execute()).toHaveLength(names.length)
  })

  it('gives each tenant its own where both have the same URNs', async () => {
    b = await makeGraphWorld(b, theirNames, { size: 20, age })
    expect(await answersOf(reads(a))).toEqual(alone)
    const theirs = await answersOf(reads(b))
    for (const [name, rows] of Object.entries(theirs)) expect([name, rows]).not.toEqual([name, []])
    expectOnlyIds(theirs, new Set((await resourceIds(b, theirNames)).values()))
    const [ours, other] = [JSON.stringify(alone), JSON.stringify(theirs)]
    expect(ours).not.toContain('urn:theirs')
    expect(other).toContain('urn:theirs')
    expect(other).toContain('{"size":20}')
    expect(other).not.toContain('{"size":10}')
  })

  it("walks over nothing of another tenant's, whatever frame it is given", async () => {
    const [ours, theirs] = [await resourceIds(a, names), await resourceIds(b, theirNames)]
    const both = callsDuring(a, { range }).unionAll(callsDuring(b, { range }))
    const walks = (frame: Parameters<typeof walkReads>[1]) => answersOf(walkReads(a, frame, names))
    const expected = Object.fromEntries(Object.keys(walkReads(a, both, names)).map((name) => [name, alone[name]]))
    expect(await walks(both)).toEqual(expected)
    // A short cut over what is theirs, and edges to no resource at all.
    const crossing: [string, string][] = [
      [ours.get('urn:web')!, theirs.get('urn:web')!],
      [theirs.get('urn:web')!, ours.get('urn:tax')!],
      [ours.get('urn:web')!, theirs.get('urn:pay')!],
      [theirs.get('urn:theirs')!, ours.get('urn:web')!],
      [ours.get('urn:web')!, '9007199254740993'],
      ['9007199254740993', ours.get('urn:tax')!],
    ]
    const bridges = a.db
      .selectFrom(
        sql<EdgeRow>`jsonb_to_recordset(${JSON.stringify(crossing.map(([src, dst]) => ({ src, dst, weight: 1 })))}::jsonb)`.as<'bridge'>(
          sql`bridge (src int8, dst int8, weight float8)`,
        ),
      )
      .selectAll('bridge')
    const own = callsDuring(a, { range }).clearSelect().select(['src', 'dst', 'weight']).$castTo<EdgeRow>()
    const { impact: hit, neighbourhood: near, ...bridged } = await walks(own.unionAll(bridges))
    const { impact: hitAlone, neighbourhood: nearAlone, ...rest } = expected
    expect(bridged).toEqual(rest)
    const column = (rows: object[] | undefined, name: string) => rows!.map((row) => Reflect.get(row, name))
    expect(column(hit, 'urn').sort()).toEqual(column(hitAlone, 'urn').sort())
    expect(near).toHaveLength(nearAlone!.length)
    expectOnlyIds({ hit: hit!, near: near! }, new Set(ours.values()))
  })

  it("writes nothing of another tenant's, and says so", async () => {
    const record = (edges: typeof theirs) =>
      recordTopology(a, edges, { at: at('10:30'), relation: 'calls', source: 'tracing', attributes: ['err_rate'] })
    const theirs = callsDuring(b, { range })
    await expect(record(theirs)).rejects.toThrow(NotFoundError)
    await expect(record(theirs.unionAll(callsDuring(a, { range })))).rejects.toThrow(
      'tenant "a" does not have these resources of the snapshot',
    )
    await expect(
      recordTopology(a, [{ from: 'urn:web', to: 'urn:theirs' }], { at: at('10:30'), relation: 'calls', source: 'tracing' }),
    ).rejects.toThrow('"urn:theirs"')
    if (age) await expect(mirrorGraph(a, theirs, { attributes: [] })).rejects.toThrow('not a resource of tenant a')
    await expect(toGraphology(theirs, { scope: a, vertices: resourceNames(a) })).rejects.toThrow('has no row for resource')
    expect(await answersOf(reads(a))).toEqual(alone)
    const probe = { at: at('10:30'), relation: 'probes', source: 'probe' }
    const same = [{ from: 'urn:web', to: 'urn:pay' }]
    const counts = { opened: 1, closed: 0, changed: 0, unchanged: 0 }
    for (const tenant of [a, b]) expect(await recordTopology(tenant, same, probe)).toEqual(counts)
    expect(await recordTopology(a, [], { ...probe, allowEmpty: true })).toEqual({ ...counts, opened: 0, closed: 1 })
    expect(await recordTopology(b, same, probe)).toEqual({ ...counts, opened: 0, unchanged: 1 })
  })

  it('of two installations in one database sees its own, also in a schema of blanks and capitals', async () => {
    await migrateUp(test.db, { schema: 'My Schema', graphPrefix: 'mine', embeddingDimension: 3 })
    await ensureTenant(test.db, { code: 'a' }, { schema: 'My Schema' })
    const empty = await tenantScope(test.db, 'a', { schema: 'My Schema' })
    await services(empty, names)
    const { resourceNames: _, ...others } = graphReads(empty, names)
    for (const [name, rows] of Object.entries(await answersOf(others))) expect([name, rows]).toEqual([name, []])
    const mine = await makeGraphWorld(empty, names, { size: 10, age })
    expect(mine.graphName).toMatch(/^mine_/)
    const answers = await answersOf(reads(mine))
    expect(withoutIds(answers, await resourceIds(mine, names))).toEqual(withoutIds(alone, await resourceIds(a, names)))
    // What renames names in the Kysely it is nested in does not rename the schema.
    const renaming = test.db.withPlugin(new CamelCasePlugin())
    for (const [name, { query }] of Object.entries(reads(mine))) {
      const counted = renaming.selectFrom(query.as('nested')).select((eb) => eb.fn.countAll<string>().as('count'))
      expect([name, await counted.execute()]).toEqual([name, [{ count: String(answers[name]!.length) }]])
    }
    expect(await answersOf(reads(a))).toEqual(alone)
    expect(await listTenants(test.db, { schema: 'My Schema' })).toEqual([{ code: 'a', name: 'a' }])
    expect((await listTenants(test.db, { schema: 'public' })).map(({ code }) => code)).toEqual(['a', 'b'])
    await expect(listTenants(test.db)).rejects.toThrow('schema: this database holds several installations (My Schema, public)')
  })

  it.runIf(leg.concurrent)('but the graph itself needs no right on Apache AGE', async () => {
    const role = `no_age_${process.pid}`
    await sql`create role ${sql.id(role)} login password 'reader'`.execute(test.db)
    try {
      await grantAll(test, { role: 'reader', login: role, schema: 'public' })
      await sql`revoke all on schema ag_catalog from public, ${sql.id(role)}`.execute(test.db)
      const url = new URL(test.url!)
      url.username = role
      url.password = 'reader'
      const db = connect({ connectionString: url.href, max: 1 })
      try {
        const reader = await tenantScope(db, 'a', { schema: 'public' })
        const answers = await answersOf(graphReads(reader, names))
        for (const [name, rows] of Object.entries(answers)) expect([name, rows]).toEqual([name, alone[name]])
        const calls = callsDuring(reader, { range })
        expect((await toGraphology(calls, { scope: reader, vertices: resourceNames(reader) })).order).toBe(names.length)
        await expect(reach(reader, activeCalls(reader), { from: 'urn:web' }).execute()).rejects.toThrow('permission denied')
        await expect(cypher(reader, { columns: { n: 'int4' } }, 'RETURN 1').execute()).rejects.toThrow('permission denied')
        // The connection is as good as before.
        expect(rounded(await calls.execute())).toEqual(alone.callsDuring)
      } finally {
        await db.destroy()
      }
    } finally {
      await sql`drop owned by ${sql.id(role)}`.execute(test.db)
      await sql`drop role ${sql.id(role)}`.execute(test.db)
    }
  })
})
