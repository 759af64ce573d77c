import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { AgtypeNumeric } from '../../../src/graph/cypher/agtype.ts'
import { cypher } from '../../../src/graph/cypher/cypher.ts'
import { cypherText } from '../../../src/graph/cypher/cypherText.ts'
import { decodeAgtype } from '../../../src/graph/cypher/decodeAgtype.ts'
import { explainCypherError } from '../../../src/graph/cypher/explainCypherError.ts'
import { mirrorGraph } from '../../../src/graph/mirrorGraph.ts'
import { InvalidInputError, MissingCapabilityError, NotFoundError } from '../../../src/schema/errors.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { grantAll } from '../../support/role.ts'
import { frame } from './frame.ts'

onEveryLeg('cypher', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    if (!leg.age) return
    const edges = await frame(scope, [
      ['a', 'b', 1.5],
      ['b', 'c', 2],
      ['c', 'a', 4],
    ])
    await mirrorGraph(scope, edges, { attributes: ['weight'] })
  })
  afterAll(() => test.close())

  it.skipIf(leg.age)('says what it needs where there is no AGE', () => {
    expect(() => cypher(scope, { columns: { one: 'int4' } }, 'RETURN 1')).toThrow(MissingCapabilityError)
  })

  describe.skipIf(!leg.age)('with AGE', () => {
    /** What one expression without a graph gives, as that type. */
    const one = async (type: Parameters<typeof cypher>[1]['columns'][string], text: string, params = {}) => {
      const [row] = await cypher(scope, { columns: { value: type } }, text, params).execute()
      return row!.value
    }

    it('gives rows with types', async () => {
      const rows = await cypher(
        scope,
        { columns: { urn: 'text', calls: 'int8', weight: 'float8', whole: 'int4', both: 'bool', exact: 'numeric', since: 'timestamptz' } },
        'MATCH (a:Resource)-[c:CALLS]->(b) WHERE c.weight < $most RETURN a.urn, count(b), c.weight, 3, c.weight > 1.5, $exact, $since ORDER BY a.urn',
        { most: 3, exact: '1.50', since: new Date('2026-11-22T10:00:00Z') },
      ).execute()
      expect(rows).toEqual([
        { urn: 'a', calls: '1', weight: 1.5, whole: 3, both: false, exact: '1.50', since: new Date('2026-11-22T10:00:00Z') },
        { urn: 'b', calls: '1', weight: 2, whole: 3, both: true, exact: '1.50', since: new Date('2026-11-22T10:00:00Z') },
      ])
    })

    it('gives vertices, edges and paths as objects with their ids as strings', async () => {
      const rows = await cypher(
        scope,
        { columns: { who: 'vertex', call: 'edge', way: 'path', ends: 'list', named: 'map', raw: 'agtype' } },
        "MATCH p = (a)-[c]->(b) WHERE a.urn = 'a' RETURN a, c, p, [a.urn, [b.urn]], {weight: c.weight, way: []}, c.weight",
      ).execute()
      const [{ who, call, way, ends, named, raw }] = rows as [(typeof rows)[number]]
      expect(who).toMatchObject({ id: expect.stringMatching(/^\d+$/), label: 'Resource', properties: { urn: 'a', name: 'a' } })
      expect(call).toEqual({
        id: expect.stringMatching(/^\d+$/),
        label: 'CALLS',
        start_id: who!.id,
        end_id: way!.vertices[1]!.id,
        properties: { weight: 1.5 },
      })
      expect(way).toEqual({ vertices: [who, expect.objectContaining({ label: 'Resource' })], edges: [call] })
      expect([ends, named, raw]).toEqual([['a', ['b']], { weight: 1.5, way: [] }, '1.5'])
    })

    it('loses no digit, escape or infinity at any depth', async () => {
      const params = {
        big: 9223372036854775807n,
        least: -9223372036854775808n,
        safe: 9007199254740991,
        worst: -Infinity,
        none: NaN,
        tiny: 5e-324,
        text: 'q"\\\n\u001f::vertex Infinity 12345678901234567890 🦊',
        deep: [[], {}, [1, [{ id: 1, label: 'x', properties: {} }]]],
      }
      const numeric = new AgtypeNumeric('1.50')
      const exact = await one('agtype', 'RETURN {map: $map, list: [$map, $numeric]}', { map: params, numeric })
      expect(decodeAgtype(exact as string)).toEqual({ map: params, list: [params, numeric] })
      const json = { ...params, big: '9223372036854775807', least: '-9223372036854775808', worst: '-Infinity', none: 'NaN' }
      expect(await one('map', 'RETURN {map: $map, list: [$map, $numeric]}', { map: params, numeric })).toEqual({
        map: json,
        list: [json, '1.50'],
      })
      const [vertex] = await cypher(
        scope,
        { columns: { vertex: 'vertex', nested: 'list', path: 'path' }, write: true },
        'CREATE p = (v:Exact)-[:TO]->(w:Exact) SET v.map = $map RETURN v, [[v]], p',
        { map: params },
      ).execute()
      expect(vertex!.vertex!.properties).toEqual({ map: json })
      expect(vertex!.nested).toEqual([[vertex!.vertex]])
      expect(vertex!.path!.vertices[0]).toEqual(vertex!.vertex)
      await cypher(scope, { columns: { gone: 'agtype' }, write: true }, 'MATCH (v:Exact) DETACH DELETE v').execute()
    })

    it('gives null for null, whatever the type', async () => {
      const columns = {
        a: 'text',
        b: 'int8',
        c: 'int4',
        d: 'float8',
        e: 'bool',
        f: 'numeric',
        g: 'timestamptz',
        h: 'vertex',
        i: 'edge',
        j: 'path',
        k: 'map',
        l: 'list',
        m: 'agtype',
      } as const
      const [row] = await cypher(scope, { columns }, `RETURN ${Object.keys(columns).fill('null').join(', ')}`).execute()
      expect(Object.values(row!)).toEqual(Array(13).fill(null))
    })

    it('joins tables, is narrowed and summed up in SQL, and is one statement', async () => {
      const calls = cypher(
        scope,
        { columns: { urn: 'text', callee: 'vertex' } },
        'MATCH (a)-[c:CALLS]->(b) WHERE c.weight >= $min RETURN a.urn, b',
        { min: 0 },
      )
      const joined = scope.db
        .selectFrom(calls.as('call'))
        .innerJoin(scope.table('dim_resource', 'resource'), 'resource.urn', 'call.urn')
        .select(['resource.name', 'call.callee'])
        .where(sql<string>`call.callee -> 'properties' ->> 'urn'`, '<>', 'b')
        .orderBy('resource.name')
      expect((await joined.execute()).map(({ name, callee }) => [name, callee!.properties.urn])).toEqual([
        ['b', 'c'],
        ['c', 'a'],
      ])
      await expectNarrows(
        calls,
        (eb) => eb('urn', '>', 'a'),
        ({ urn }) => urn! > 'a',
      )
      expect(
        await scope.db
          .selectFrom(calls.as('call'))
          .select(({ fn }) => fn.countAll<string>().as('n'))
          .execute(),
      ).toEqual([{ n: '3' }])
    })

    it('takes parameters of every kind, and names as data', async () => {
      const hostile = ["'; drop table dim_resource; --", '$pgvantage_cypher$', '$$', '`', '"', '\\', '🦊', '::vertex', '', '\u0001']
      expect(decodeAgtype((await one('agtype', 'RETURN $given', { given: hostile })) as string)).toEqual(hostile)
      expect(await one('text', 'RETURN $given[1]', { given: hostile })).toBe(hostile[1])
      expect(await one('int4', 'MATCH (n:Resource {urn: $urn}) RETURN count(n)', { urn: 'a' })).toBe(1)
      expect(await one('int4', 'UNWIND $urns AS urn MATCH (n:Resource) WHERE n.urn = urn RETURN count(n)', { urns: ['a', 'c', 'x'] })).toBe(
        2,
      )
      expect(await one('bool', 'RETURN $given.a.b = 1', { given: { a: { b: 1 } } })).toBe(true)
    })

    it('inlines labels and hops', async () => {
      const text = cypherText`MATCH (a:${'Resource'} {urn: $urn})-[:${'CALLS'}*1..${2}]->(b) RETURN DISTINCT b.urn ORDER BY b.urn`
      expect(await cypher(scope, { columns: { urn: 'text' } }, text, { urn: 'a' }).execute()).toEqual([{ urn: 'b' }, { urn: 'c' }])
      expect(await cypher(scope, { columns: { n: 'int4' } }, cypherText`MATCH (a:${'Nobody'}) RETURN count(a)`).execute()).toEqual([
        { n: 0 },
      ])
    })

    it('writes when asked to, once, all of it, and sees what it wrote', async () => {
      const text = 'UNWIND range(1, 3) AS n CREATE (v:Note {n: n}) RETURN v.n'
      const written = cypher(scope, { columns: { n: 'int4' }, write: true }, text)
      expect(await written.limit(1).execute()).toHaveLength(1)
      expect(await one('int4', 'MATCH (v:Note) RETURN count(v)')).toBe(3)
      await cypher(scope, { columns: { n: 'int4' }, write: true }, 'MATCH (v:Note) WHERE v.n > $n DELETE v', { n: 1 }).execute()
      await cypher(scope, { columns: { n: 'int4' }, write: true }, 'MERGE (v:Note {n: 1})-[:ON]->(w:Note {n: 9})').execute()
      const ends = cypher(scope, { columns: { from: 'int4', to: 'int4' } }, 'MATCH (v:Note)-[:ON]->(w) RETURN v.n, w.n')
      expect(await ends.execute()).toEqual([{ from: 1, to: 9 }])
      await cypher(scope, { columns: { n: 'int4' }, write: true }, 'MATCH (v:Note) DETACH DELETE v').execute()
      expect(await one('int4', 'MATCH (v:Note) RETURN count(v)')).toBe(0)
    })

    it('is rolled back with its transaction', async () => {
      const undone = test.db.transaction().execute(async (db) => {
        const inner = await tenantScope(db, scope.tenantCode)
        await cypher(inner, { columns: { n: 'int4' }, write: true }, 'CREATE (v:Draft {n: 1})').execute()
        const [row] = await cypher(inner, { columns: { n: 'int4' } }, 'MATCH (v:Draft) RETURN count(v)').execute()
        expect(row).toEqual({ n: 1 })
        throw new Error('undo')
      })
      await expect(undone).rejects.toThrow('undo')
      expect(await one('int4', 'MATCH (v:Draft) RETURN count(v)')).toBe(0)
    })

    const failure = async (type: 'text' | 'map', text: string, from = scope) => {
      const error = await cypher(from, { columns: { value: type } }, text)
        .execute()
        .then(
          () => undefined,
          (error: unknown) => error,
        )
      return explainCypherError(error)
    }

    it('explains what AGE did not understand', async () => {
      const broken = await failure('text', 'MATCH (a RETURN a')
      expect(broken).toBeInstanceOf(InvalidInputError)
      expect(broken).toMatchObject({
        message: expect.stringMatching(/^text: Apache AGE 1\.\d\.\d does not understand the text: syntax error/),
      })
      expect(await failure('text', 'RETURN nothing')).toMatchObject({ message: expect.stringMatching(/does not understand .* nothing/) })
      expect(await failure('text', 'RETURN 1, 2')).toMatchObject({
        message: 'text: the text returns another number of columns than are declared',
      })
      expect(await failure('map', 'RETURN [1]')).toMatchObject({ message: 'text: a column is declared as map and holds [1]' })
    })

    it('explains what only a newer AGE knows, and runs it there', async () => {
      const found = await failure('text', 'MATCH (a) WHERE EXISTS { (a)-[:CALLS]->() } RETURN a.urn')
      if (leg.name === 'embedded') expect(found).toBeUndefined()
      else {
        expect(found).toBeInstanceOf(MissingCapabilityError)
        expect(found).toMatchObject({
          message: expect.stringMatching(/^Apache AGE 1\.5\.\d does not know EXISTS \{ ... \}, which needs 1\.6: syntax error/),
        })
      }
    })

    it('does not run what AGE answers wrongly in WebAssembly', async () => {
      const text = "MATCH (n {urn: 'a'})-[c]->() RETURN left('abc', 2) + right('abc', 1) + substring('abc', 1) + startNode(c).urn"
      const found = await failure('text', text)
      if (leg.name === 'embedded') {
        expect(found).toBeInstanceOf(MissingCapabilityError)
        expect(found).toMatchObject({
          message: expect.stringMatching(/^Apache AGE compiled for 32 bits .* left, right, substring, startNode wrongly/),
        })
      } else expect(await one('text', text)).toBe('abcbca')
    })

    it('says so where the tenant has no graph yet', async () => {
      const found = await failure('text', 'RETURN 1', await tenant(test.db, 'new'))
      expect(found).toBeInstanceOf(NotFoundError)
      expect(found).toMatchObject({ message: expect.stringMatching(/^graph ops_\d+ does not exist: /) })
    })

    it('reaches no other tenant, whatever the text', async () => {
      const other = await tenant(test.db, 'other')
      await mirrorGraph(other, await frame(other, [['secret', 'hidden']]), { attributes: ['weight'] })
      const hostile = [
        `MATCH ()-[e]->() RETURN startnode('${other.graphName}', e)`,
        `MATCH ()-[e]->() RETURN STARTNODE('${other.graphName}', e)`,
        `MATCH ()-[e]->() RETURN startNode/**/('${other.graphName}', e)`,
        `MATCH ()-[e]->() RETURN \`endnode\`('${other.graphName}', e)`,
        `MATCH (n) RETURN vertex_stats('${other.graphName}', n)`,
        `RETURN graph_stats('${other.graphName}')`,
        `RETURN pg_catalog.query_to_xml('select * from ${other.graphName}."Resource"', true, true, '')`,
        `RETURN query_to_xml('select 1', true, true, '')`,
        `RETURN ag_catalog.create_graph('x')`,
        `RETURN all . version()`,
        `RETURN pg_catalog // comment\n . /* ( */ \`version\` ()`,
        `RETURN '${other.graphName}."Resource"'::regclass`,
        `CALL pg_catalog.pg_sleep(1)`,
        `CALL pg_catalog.current_database() YIELD x RETURN x`,
        `RETURN 1 $pgvantage_cypher$) as (a agtype); drop table dim_resource; --`,
        `RETURN 1\n$pgvantage_cypher$, '{}') as (c1 agtype) union all select properties from ${other.graphName}."Resource" --`,
        `RETURN 1 /* $pgvantage_cypher$ */`,
        `RETURN '$pgvantage_cypher$'`,
        `RETURN "a\\" $pgvantage_cypher$ "`,
        `RETURN 1; RETURN 2`,
        `RETURN 1 /* not closed`,
        `RETURN 'not closed`,
        `RETURN \`not closed`,
        `RETURN ''' || version() || '''`,
        `RETURN 1 AS \`a"\`, version()`,
        `RETURN '\\' , version(), '\\'`,
        `MATCH (n) RETURN ſet(n)`,
        `MATCH (n:Resource {urn: $urn}) RETURN n`,
        `RETURN \u0000`,
        `RETURN '\ud800'`,
        ``,
      ]
      for (const text of hostile) {
        const rows = Promise.resolve().then(() => cypher(scope, { columns: { value: 'agtype' } }, text).execute())
        const outcome = await rows.then(
          (rows) => JSON.stringify(rows),
          (error: Error) => error,
        )
        expect([text, outcome]).toEqual([text, expect.any(Error)])
        expect(String(outcome)).not.toMatch(/secret|hidden/)
      }
      expect(await cypher(scope, { columns: { urn: 'text' } }, 'MATCH (n) RETURN n.urn ORDER BY n.urn').execute()).toHaveLength(3)
      expect(await cypher(other, { columns: { urn: 'text' } }, 'MATCH (n) RETURN n.urn ORDER BY n.urn').execute()).toEqual([
        { urn: 'hidden' },
        { urn: 'secret' },
      ])
    })

    it('keeps a text inside its quotes on the server, too', async () => {
      const escape = sql`select * from ${scope.id('cypher_read')}(
        ${scope.graphName}, ${'RETURN 1 $pgvantage_cypher$) as (c1 agtype); select 1 --'}, null, ${['text']}::text[], '', ''
      ) as row (value text)`.execute(scope.db)
      await expect(escape).rejects.toThrow('the text must not hold $pgvantage_cypher$')
      const graph =
        sql`select * from ${scope.id('cypher_read')}(${"x', $$ RETURN 1 $$) as (c1 agtype) --"}, 'RETURN 1', null, ${['text']}::text[], '', '')
        as row (value text)`.execute(scope.db)
      await expect(graph).rejects.toThrow('does not exist')
    })

    it.skipIf(!leg.concurrent)('runs for a role that knows nothing of AGE, on many connections, and stops at a timeout', async () => {
      const role = `reader_${process.pid}`
      await sql`create role ${sql.id(role)} login password 'reader'`.execute(test.db)
      try {
        await grantAll(test, { role: 'reader', login: role })
        const url = new URL(test.url!)
        url.username = role
        url.password = 'reader'
        const db = connect({ connectionString: url.href, max: 8 })
        try {
          const reader = await tenantScope(db, scope.tenantCode)
          const text = 'MATCH (a)-[c:CALLS]->(b) RETURN a.urn ORDER BY a.urn'
          const all = await Promise.all(Array.from({ length: 32 }, () => cypher(reader, { columns: { urn: 'text' } }, text).execute()))
          expect(new Set(all.map((rows) => JSON.stringify(rows)))).toEqual(
            new Set([JSON.stringify([{ urn: 'a' }, { urn: 'b' }, { urn: 'c' }])]),
          )
          const write = cypher(reader, { columns: { n: 'int4' }, write: true }, 'MATCH (n) SET n.stolen = true RETURN 1').execute()
          await expect(write).rejects.toThrow('permission denied')
          const slow = db.transaction().execute(async (transaction) => {
            await sql`set local statement_timeout = '100ms'`.execute(transaction)
            const inner = await tenantScope(transaction, scope.tenantCode)
            const numbers = 'UNWIND range(1, 3000) AS a UNWIND range(1, 3000) AS b RETURN count(*)'
            await cypher(inner, { columns: { n: 'int8' } }, numbers).execute()
          })
          await expect(slow).rejects.toThrow('statement timeout')
        } finally {
          await db.destroy()
        }
      } finally {
        await sql`drop owned by ${sql.id(role)}`.execute(test.db)
        await sql`drop role ${sql.id(role)}`.execute(test.db)
      }
    })
  })
})
