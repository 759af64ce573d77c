import { PGlite } from '@electric-sql/pglite'
import { age } from '@electric-sql/pglite-age'
import { vector } from '@electric-sql/pglite-pgvector'
import { btree_gist } from '@electric-sql/pglite/contrib/btree_gist'
import { pg_trgm } from '@electric-sql/pglite/contrib/pg_trgm'
import { CamelCasePlugin, Kysely, PGliteDialect, PostgresDialect, sql } from 'kysely'
import { Pool, types } from 'pg'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { callsDuring, callSeries, callSummary } from '../../../src/calls/index.ts'
import { ensureResource, ensureTenant, resourceIds } from '../../../src/catalog/index.ts'
import { tenantScope, type Scope } from '../../../src/database/index.ts'
import { recordEvent } from '../../../src/events/index.ts'
import { impact } from '../../../src/graph/index.ts'
import { ingest } from '../../../src/ingest/index.ts'
import { migrateDown, migrateUp } from '../../../src/operate/index.ts'
import { topK } from '../../../src/ranking/index.ts'
import { InvalidInputError } from '../../../src/schema/index.ts'
import { anomalies } from '../../../src/series/index.ts'
import { distinctCount } from '../../../src/sketch/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, during, insertCalls } from '../../support/rows.ts'

/** The tables of somebody else's program, in its own spelling. */
// An alias, since an interface is no record.
type Theirs = { teamRoster: { teamName: string; serviceUrn: string } }

const range = during('10:00', '12:00')
const roster = [
  { teamName: 'storefront', serviceUrn: 'urn:web' },
  { teamName: 'money', serviceUrn: 'urn:pay' },
]

/** What a service does that wants `int8` as numbers. */
const numberParser: typeof types.getTypeParser = (oid: number, format?: 'text' | 'binary') =>
  oid === types.builtins.INT8 ? Number : types.getTypeParser(oid, format)

const fill = (scope: Scope, latency: number) =>
  insertCalls(
    scope,
    Array.from({ length: 24 }, (_, index) => new Date(range.from.getTime() + index * 300_000)).flatMap((bucket, index) => [
      { bucket, src: 'urn:web', dst: 'urn:cart', latencies: [latency, latency + (index === 20 ? 5000 : 1)] },
      { bucket, src: 'urn:cart', dst: 'urn:pay', latencies: [latency, latency + 2] },
    ]),
  )

onEveryLeg('composing', () => {
  let test: TestDatabase
  let scope: Scope
  let theirs: Kysely<Theirs>
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await fill(scope, 100)
    theirs = test.db.withPlugin(new CamelCasePlugin()).$extendTables<Theirs>()
    await theirs.schema.createTable('teamRoster').addColumn('teamName', 'text').addColumn('serviceUrn', 'text').execute()
    await theirs.insertInto('teamRoster').values(roster).execute()
  })
  afterAll(() => test.close())

  it('three functions and a table of the user make one statement', async () => {
    const worst = topK(scope, anomalies(scope, callSeries(scope, { measure: 'p95_ms', range })), 3)
    const owned = theirs
      .selectFrom('teamRoster')
      .rightJoin(worst.as('worst'), 'worst.item', 'teamRoster.serviceUrn')
      .select(['worst.item', 'worst.value', 'teamRoster.teamName'])
    const { sql: text, parameters } = owned.compile()
    expect(text).not.toContain(';')
    expect(text.match(/from "public"."service_call_5m"/g)).toHaveLength(1)
    expect(parameters).toContain(scope.tenantId)
    const rows = await owned.execute()
    expect(rows).toEqual([{ item: 'urn:cart', value: expect.closeTo(5100, -2), teamName: null }])
    const { rows: plan } = await sql`explain ${owned}`.execute(test.db)
    expect(plan.length).toBeGreaterThan(3)
  })

  it("joins the user's table through a Kysely of another type with CamelCasePlugin, and keeps our columns' names for us", async () => {
    const own = await tenantScope(theirs, 't-001')
    const hit = impact(own, callsDuring(own, { range }), { resource: 'urn:pay' })
    expect(await hit.select(['urn', 'resource_id']).clearSelect().select('resource_id').execute()).toEqual(
      [...(await resourceIds(own, ['urn:cart'])).values(), ...(await resourceIds(own, ['urn:web'])).values()].map((resource_id) => ({
        resource_id,
      })),
    )
    const paged = await theirs
      .selectFrom('teamRoster as team')
      .innerJoin(hit.as('hit'), 'hit.urn', 'team.serviceUrn')
      .select(['team.teamName', 'hit.depth', 'hit.share'])
      .execute()
    expect(paged).toEqual([{ teamName: 'storefront', depth: 2, share: 1 }])
    // Inside the statement a column has the name it has in the database.
    const teams = theirs
      .selectFrom('teamRoster')
      .select('teamName')
      .where('serviceUrn', 'in', hit.clearSelect().select('hit.urn'))
      .$castTo<{ team_name: string }>()
    expect(await distinctCount(own, teams, 'team_name').execute()).toEqual([{ distinct_count: 1 }])
  })

  it('inside a transaction sees it and is rolled back with it', async () => {
    const undo = new Error('undo')
    const attempt = test.db.transaction().execute(async (trx) => {
      await ensureTenant(trx, { code: 'passing' })
      const inner = await tenantScope(trx, 'passing')
      await fill(inner, 7)
      await ensureResource(inner, { urn: 'urn:more', type: 'service', name: 'more' })
      await recordEvent(inner, { severity: 'INFO', kind: 'deploy', title: 'in a transaction', resource: 'urn:more' })
      await ingest(inner, (async function* () {})())
      expect(await callSummary(inner, { range }).execute()).toHaveLength(2)
      throw undo
    })
    await expect(attempt).rejects.toBe(undo)
    await expect(tenantScope(test.db, 'passing')).rejects.toThrow('there is no tenant')
    const { rows } = await sql`select from ${scope.id('event_envelope')}`.execute(test.db)
    expect(rows).toEqual([])
  })

  it('two installations in one database do not see each other', async () => {
    await expect(migrateUp(test.db, { schema: 'second' })).rejects.toThrow(/graphPrefix/)
    await migrateUp(test.db, { schema: 'second', graphPrefix: 'second', embeddingDimension: 3 })
    await expect(tenantScope(test.db, 't-001')).rejects.toThrow('schema: this database holds several installations (public, second)')
    await expect(tenantScope(test.db, 't-001', { schema: 'second' })).rejects.toThrow('there is no tenant')
    await ensureTenant(test.db, { code: 't-001' }, { schema: 'second' })
    const first = await tenantScope(test.db, 't-001', { schema: 'public' })
    const second = await tenantScope(test.db, 't-001', { schema: 'second' })
    expect(await callSummary(second, { range }).execute()).toEqual([])
    const before = await callSummary(first, { range }).execute()
    await fill(second, 900)
    expect(await callSummary(first, { range }).execute()).toEqual(before)
    expect((await callSummary(second, { range }).execute())[0]!.p50_ms).toBeGreaterThan(850)
    expect(second.graphName).not.toBe(first.graphName)
    await migrateDown(test.db, { schema: 'second' })
    expect(await callSummary(scope, { range }).execute()).toEqual(before)
  })

  it.runIf(leg.concurrent)("works over the user's own pool, and refuses one whose int8 are numbers", async () => {
    const pool = new Pool({ connectionString: test.url, max: 2 })
    const own = new Kysely<Theirs>({ dialect: new PostgresDialect({ pool }), plugins: [new CamelCasePlugin()] })
    const numbers = new Pool({ connectionString: test.url, max: 1, types: { getTypeParser: numberParser } })
    const wrong = new Kysely<Theirs>({ dialect: new PostgresDialect({ pool: numbers }) })
    // The database is dropped below them, perhaps before the server has read their goodbye.
    for (const each of [pool, numbers]) each.on('error', () => {})
    try {
      const brought = await tenantScope(own, 't-001')
      const both = await Promise.all([callSummary(brought, { range }).execute(), own.selectFrom('teamRoster').selectAll().execute()])
      expect(both).toEqual([await callSummary(scope, { range }).execute(), roster])
      await pool.query('select 1')
      await expect(tenantScope(wrong, 't-001')).rejects.toThrow(
        "delivers int8 as number (9007199254740992) where pgvantage needs strings: leave pg's default parser",
      )
    } finally {
      await own.destroy()
      await wrong.destroy()
    }
  })

  it.runIf(leg.name === 'embedded')('refuses a bare PGlite, and says what to set', async () => {
    const pglite = await PGlite.create({ extensions: { age, vector, pg_trgm, btree_gist } })
    const db = new Kysely<Theirs>({ dialect: new PGliteDialect({ pglite }) })
    try {
      await migrateUp(db)
      for (const begin of [() => ensureTenant(db, { code: 't-001' }), () => tenantScope(db, 't-001')]) {
        const refused = begin()
        await expect(refused).rejects.toThrow(InvalidInputError)
        await expect(refused).rejects.toThrow('give PGlite { parsers: { 20: (text) => text } }')
      }
    } finally {
      await db.destroy()
    }
  })

  it('sees what another tenant has in no range of dates whatever', async () => {
    const other = await tenant(test.db, 'other')
    expect(await callSummary(other, { range: { from: at('00:00'), to: new Date('2100-01-01') } }).execute()).toEqual([])
  })
})
