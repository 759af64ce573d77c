import { Readable } from 'node:stream'
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { deleteTenant, ensureResources, ensureTenant, listTenants, resourceIds } from '../../../src/catalog/index.ts'
import { capabilities, tenantScope, type Scope } from '../../../src/database/index.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { attachEvidence, recordEvent } from '../../../src/events/index.ts'
import { ingest } from '../../../src/ingest/index.ts'
import { addDocuments, reembed, reindexTerms, removeDocuments } from '../../../src/knowledge/index.ts'
import { resourceNames, toGraphology } from '../../../src/graph/index.ts'
import { callsDuring, refreshCallGraph } from '../../../src/calls/index.ts'
import {
  applyPolicies,
  doctor,
  maintain,
  migratePlan,
  migrateStatus,
  migrateUp,
  planConversion,
  planPolicies,
  refreshRange,
} from '../../../src/operate/index.ts'
import { recordTopology } from '../../../src/topology/index.ts'
import { everyRead, makeEverythingElse } from '../../support/everyRead.ts'
import { graphTimes, makeGraphWorld } from '../../support/graphWorld.ts'
import { freshDatabase, leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { rounded, type Read } from '../../support/narrowed.ts'
import { recorded, type Recorded } from '../../support/recorded.ts'
import { analysed, inviteStrangers, strangersIn, strangersSchema } from '../../support/searchPath/strangers.ts'
import { asLines, recording } from '../faults/recording.ts'

const names = ['web', 'cart', 'pay', 'stock', 'mail', 'db', 'disk'].map((name) => `urn:${name}`)

/**
 * What PostgreSQL looks up among all there is of a name: by no means what pg_catalog has, where a
 * stranger has something nearer.
 */
const careless = {
  'lower(tstzrange)': `select lower(tstzrange(now(), null))`,
  'count(bigint)': `select count(1::int8)`,
  'hashtextextended(text,integer)': `select hashtextextended('a'::text, 0)`,
  '*(double precision,integer)': `select 2::float8 * 2`,
  '->>(jsonb,jsonb)': `select '{}'::jsonb ->> '{}'`,
  '||(bigint[],bigint[])': `select array[1]::int8[] || array[2]::int8[]`,
  '=(numeric,bigint)': `select 1 from (values (1::numeric)) as a (id) join (values (1::int8)) as b (id) using (id)`,
  'lag(text)': `select lag('a'::text) over ()`,
  'percentile_cont(numeric,double precision)': `select percentile_cont(0.5) within group (order by 1::float8)`,
  'make_interval(integer,integer)': `select make_interval(days => 5, secs => 5)`,
  '@>(tstzrange,timestamp with time zone)': `select tstzrange(null, null) @> now()`,
}

onEveryLeg('a search_path that strangers have filled', () => {
  let test: TestDatabase
  let lookups: Recorded
  let scope: Scope
  let reads: Record<string, Read>
  let before: { reads: Record<string, unknown>; lookups: Record<string, unknown> }
  /** How many functions and operators were made to be called by mistake. */
  let strangers: number
  /**
   * The statements of reads, and all others that run under the caller's path, by what makes them.
   */
  const statements = new Map<string, string>()

  /** What looks something up outside of a read, under the caller's path. */
  const lookUp = async (): Promise<Record<string, unknown>> => {
    const { db } = lookups
    const found = await tenantScope(db, scope.tenantCode)
    const graph = await toGraphology(callsDuring(found, { range: graphTimes.range }), { scope: found, vertices: resourceNames(found) })
    return {
      scope: [found.tenantId, found.installation, found.graphName, found.graphMade, found.extensions],
      capabilities: await capabilities(db),
      tenants: await listTenants(db),
      resources: [...(await resourceIds(found, names))],
      graph: graph.mapEdges((_, attributes, src, dst) => [src, dst, attributes]),
      doctor: await doctor(db),
      status: await migrateStatus(db),
      plan: await migratePlan(db),
      policies: await planPolicies(db),
      conversion: await planConversion(db),
      // Writes that hold a query of the caller's, whose names are the caller's to look up.
      recorded: await recordTopology(found, callsDuring(found, { range: graphTimes.range }), {
        at: graphTimes.after,
        relation: 'calls',
        source: 'frame',
        attributes: ['call_count'],
      }),
      refreshed: leg.age && (await refreshCallGraph(found, graphTimes.refreshed)),
    }
  }
  /** Writes and upkeep, which leave nothing behind. */
  const write = async () => {
    const { db } = lookups
    await migrateUp(db)
    await ensureTenant(db, { code: 'writes' })
    const own = await tenantScope(db, 'writes')
    await ensureResources(own, [{ urn: names[0]!, type: 'service', name: 'web' }])
    await ingest(own, Readable.from([asLines(recording({ minutes: 20 }))], { objectMode: false }))
    const event = await recordEvent(own, { severity: 'INFO', kind: 'k', title: 't', resource: names[0]! })
    await attachEvidence(own, { eventId: event, evidence: [{ dim: 'metric', refPg: { table: 'metric_1m', keys: { metric: 'm' } } }] })
    const embed = async (texts: string[]) => texts.map(() => Array.from({ length: 1536 }, () => 1))
    for (const order of ['first second', 'third first']) {
      const chunks = order.split(' ').map((content) => ({ content, context: 'c' }))
      await addDocuments(own, [{ source: 'wiki', title: 't', url: 'u', chunks }], { embed, model: 'one' })
    }
    await reembed(own, { embed, model: 'two' })
    await reindexTerms(own)
    await removeDocuments(own, { source: 'wiki', urls: ['u'], titles: ['t'] })
    await recordTopology(own, [{ from: names[0]!, to: names[0]! }], { at: graphTimes.after, relation: 'calls', source: 'wiki' })
    await maintain(db)
    await refreshRange(db, { table: 'metric_1m', range: graphTimes.range })
    await applyPolicies(db)
    await deleteTenant(db, 'writes')
  }
  const answers = async () => {
    const found: Record<string, unknown> = {}
    for (const [name, read] of Object.entries(reads)) {
      found[name] = rounded(await read.execute().catch((error: unknown) => Promise.reject(new Error(name, { cause: error }))))
    }
    return found
  }

  beforeAll(async () => {
    test = await freshDatabase()
    const db: Kysely<{}> = test.url === undefined ? test.db : connect({ connectionString: test.url, max: 1 })
    lookups = recorded(db)
    // With policies: what a scope knows of them is part of its reads.
    await write()
    scope = await makeGraphWorld(await tenant(db), names, { size: 10, age: leg.age })
    reads = everyRead(scope, names, await makeEverythingElse(scope, names), leg)
    await lookUp()
    before = { reads: await answers(), lookups: await lookUp() }
    // As it is while a snapshot is recorded.
    await sql`create temporary table pgvantage_snapshot (src int8, dst int8, props jsonb)`.execute(db)
    for (const [name, read] of Object.entries(reads)) statements.set(name, read.compile().sql)
    for (const { sql, path } of lookups.statements) {
      // What pins its path has nothing to fear.
      if (path !== lookups.statements[0]!.path) continue
      const text = sql.trim().replace(/^declare \S+ no scroll cursor for /, '')
      if (/^(?:select|with|insert|update|delete)\b/.test(text)) statements.set(text, text)
    }
    const trees = []
    for (const statement of [...statements.values(), ...Object.values(careless)]) trees.push(await analysed(db, statement))
    strangers = await inviteStrangers(db, trees)
    await sql`select pg_catalog.set_config('search_path', ${`${strangersSchema}, public`}, false)`.execute(db)
  }, 300_000)
  afterAll(async () => {
    if (scope.db !== test.db) await scope.db.destroy()
    await test.close()
  })

  it('is met by whoever is careless', async () => {
    expect(strangers).toBeGreaterThan(100)
    for (const [stranger, statement] of Object.entries(careless)) {
      expect([statement, await strangersIn(scope.db, await analysed(scope.db, statement))]).toEqual([
        statement,
        expect.arrayContaining([stranger]),
      ])
    }
  })

  it("is not met by any read, nor by anything else that runs under the caller's path", async () => {
    const found: Record<string, string[]> = {}
    for (const [name, statement] of statements) {
      const met = await analysed(scope.db, statement).then(
        (tree) => strangersIn(scope.db, tree),
        (error: unknown) => [String(error)],
      )
      for (const stranger of met) (found[stranger] ??= []).push(name.slice(0, 300))
    }
    expect(found).toEqual({})
  }, 300_000)

  it('is refused where it comes before pg_catalog', async () => {
    const setPath = (path: string) => sql`select pg_catalog.set_config('search_path', ${path}, false)`.execute(scope.db)
    const under = async (path: string) => {
      await setPath(path)
      return tenantScope(scope.db, scope.tenantCode)
    }
    for (const path of [`${strangersSchema}, pg_catalog`, `"$user", public, pg_catalog`, `pg_temp, "St""range", "pg_catalog"`]) {
      const refusal = /^db: must not look for functions elsewhere before pg_catalog.*(?:stranger|user|St.*range)/
      await expect(under(path)).rejects.toThrow(refusal)
      for (const look of [doctor, migrateStatus, migrateUp, planPolicies]) await expect(look(scope.db)).rejects.toThrow(refusal)
    }
    for (const path of [
      '',
      'public',
      `pg_catalog, ${strangersSchema}`,
      'PG_CATALOG, public',
      `pg_temp, pg_catalog`,
      `public, "PG_CATALOG"`,
    ]) {
      expect((await under(path)).tenantId).toBe(scope.tenantId)
    }
    await setPath(`${strangersSchema}, public`)
  })

  it('changes no answer', async () => {
    for (const oddities of ['callOddities 1', 'patternOddities 1', 'callShapeOddities 1', 'metricOddities 1', 'rankSuspects 1'])
      expect([oddities, before.reads[oddities]]).not.toEqual([oddities, []])
    expect(await answers()).toEqual(before.reads)
    expect(await lookUp()).toEqual(before.lookups)
    await write()
  }, 300_000)
})
