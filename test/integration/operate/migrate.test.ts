import { CamelCasePlugin, sql } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { ensureTenant } from '../../../src/catalog/tenants.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope } from '../../../src/database/scope.ts'
import { readCatalog } from '../../../src/operate/catalog.ts'
import { driftOf, schemaDrift } from '../../../src/operate/doctor/schemaDrift.ts'
import { createExtensions } from '../../../src/operate/extensions.ts'
import { migrateDown, migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { migrateStatus } from '../../../src/operate/migrate/migrateStatus.ts'
import { InvalidInputError, SchemaVersionError, VantageError } from '../../../src/schema/errors.ts'
import { at, insertMetrics } from '../../support/rows.ts'
import { addOnePolicyOfEach } from '../../support/timescalePolicies.ts'
import { migrations } from '../../../migrations/index.ts'
import { freshDatabase, leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { objects } from '../../support/objects.ts'

const names = migrations.map(({ name }) => name)

/** What asks our own record and PostgreSQL, which the server's leg has of the same version, is not run there. */
const community = leg.name === 'community'

onEveryLeg('migrate', () => {
  let test: TestDatabase
  beforeEach(async () => {
    test = await freshDatabase({ migrated: false })
  })
  afterEach(() => test.close())

  it('leaves nothing of ours after up and down, and the extensions as they were', async () => {
    await test.db.transaction().execute(createExtensions)
    const before = await objects(test.db)
    expect(before).toContainEqual(expect.stringMatching(/^extension vector /))
    await migrateUp(test.db)
    expect(await objects(test.db)).toContain('relation r public.dim_tenant')
    if (leg.age) {
      for (const code of ['a', 'b']) {
        const scope = await tenant(test.db, code)
        await apart((db) => sql`select graph_prepare(${scope.graphName}, 'CALLS')`.execute(db))
        expect(await objects(test.db)).toContain(`schema ${scope.graphName}`)
      }
    }
    await apart((db) => migrateDown(db))
    expect(await objects(test.db)).toEqual(before)
  })

  /**
   * On a connection of its own, and on another where AGE says that it must be closed: before 1.7 a
   * connection that AGE was loaded in can break when the server forgets many tables at once, as
   * other tests make it do (apache/age#2245).
   */
  async function apart(work: (db: TestDatabase['db']) => Promise<unknown>, attempts = 5): Promise<void> {
    if (test.url === undefined) return void (await work(test.db))
    const db = connect({ connectionString: test.url, max: 1 })
    try {
      await work(db)
    } catch (error) {
      if (attempts === 1 || !(error instanceof Error && error.message.includes('cache corrupted'))) throw error
      await apart(work, attempts - 1)
    } finally {
      await db.destroy()
    }
  }

  it("goes down with the server's policies and jobs on what it drops", async ({ skip }) => {
    skip(leg.name !== 'community', 'no jobs here')
    await test.db.transaction().execute(createExtensions)
    const before = await objects(test.db)
    await migrateUp(test.db)
    await addOnePolicyOfEach(test.db)
    const jobs = sql<{ proc: string }>`
      select proc_name::text as proc from timescaledb_information.jobs where hypertable_name is not null order by 1
    `
    expect((await jobs.execute(test.db)).rows.map(({ proc }) => proc)).toEqual([
      'policy_compression',
      'policy_refresh_continuous_aggregate',
      'policy_retention',
      'policy_retention',
    ])
    await migrateDown(test.db)
    expect((await jobs.execute(test.db)).rows).toEqual([])
    expect(await objects(test.db)).toEqual(before)
  })

  it('finds nothing to do the second time, and says what has run and when, whatever the time zones of the sessions that ask', async () => {
    expect((await migrateStatus(test.db)).installed).toBe(false)
    await test.db.connection().execute(async (db) => {
      const zone = (name: string) => sql`select set_config('timezone', ${name}, false)`.execute(db)
      await zone('Asia/Tokyo')
      const first = await migrateUp(db)
      expect(first.ran).toHaveLength(names.length)
      await zone('America/Lima')
      expect(await migrateUp(db)).toMatchObject({ ran: [], version: names.length })
      const status = await migrateStatus(db)
      expect(status).toMatchObject({ installed: true, version: names.length, libraryVersion: names.length, pending: [] })
      expect(status.applied.map(({ name }) => name)).toEqual(first.ran)
      for (const { ranAt } of status.applied) expect(Math.abs(Date.now() - ranAt.getTime())).toBeLessThan(60_000)
    })
  })

  it('leaves nothing behind when a migration fails in the middle, nor when the last one does on its last rollup', async () => {
    // First, because AGE 1.5 breaks the session in which its creation is rolled back.
    await test.db.transaction().execute(createExtensions)
    await sql`create table kb_doc (theirs int4)`.execute(test.db)
    const before = await objects(test.db)
    const error = await migrateUp(test.db).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(VantageError)
    expect(error).toMatchObject({ code: 'MIGRATION_FAILED', cause: { code: '42P07' } })
    expect(String(error)).toContain('migrate up failed in 0005_knowledge: relation "kb_doc" already exists; everything was rolled back')
    expect(await objects(test.db)).toEqual(before)
    await sql`drop table kb_doc`.execute(test.db)
    await sql`create table log_pattern_1d (theirs int4)`.execute(test.db)
    const beforeTheLast = await objects(test.db)
    await expect(migrateUp(test.db)).rejects.toThrow(
      /^migrate up failed in 0007_coarser_rollups: (relation|continuous aggregate) "log_pattern_1d" already exists; everything was rolled back$/,
    )
    expect(await objects(test.db)).toEqual(beforeTheLast)
    await sql`drop table log_pattern_1d`.execute(test.db)
    expect((await migrateUp(test.db)).version).toBe(names.length)
  })

  it.skipIf(community)('gives up between two statements when aborted, leaving nothing', async () => {
    const before = await objects(test.db)
    await expect(migrateUp(test.db, { signal: AbortSignal.abort(new Error('not now')) })).rejects.toThrow('not now')
    const { signal, abort } = abortingAfter(25)
    await expect(migrateUp(test.db, { signal })).rejects.toThrow('enough')
    expect(abort.asked).toBe(25)
    expect(await objects(test.db)).toEqual(before)
    await migrateUp(test.db)
    const migrated = await objects(test.db)
    await expect(migrateDown(test.db, { signal: abortingAfter(5).signal })).rejects.toThrow('enough')
    expect(await objects(test.db)).toEqual(migrated)
  })

  it.skipIf(community)('remembers its options and refuses others', async () => {
    await migrateUp(test.db, {
      graphPrefix: 'calls',
      embeddingDimension: 3,
      embeddingDistance: 'cosine',
      embeddingType: 'halfvec',
      knowledgeLanguage: 'german',
    })
    const { installation } = await migrateUp(test.db, { embeddingDistance: 'cosine' })
    expect(installation).toMatchObject({
      schema: 'public',
      graphPrefix: 'calls',
      embeddingDimension: 3,
      embeddingDistance: 'cosine',
      embeddingType: 'halfvec',
      knowledgeLanguage: 'german',
    })
    expect(await schemaDrift(test.db, { schema: installation.schema })).toEqual([])
    await ensureTenant(test.db, { code: 'a' })
    expect((await tenantScope(test.db, 'a')).graphName).toMatch(/^calls_\d+$/)
    await expect(migrateUp(test.db, { embeddingDimension: 4 })).rejects.toThrow(
      'embeddingDimension: this database was installed with 3 and cannot be changed to 4 by a migration',
    )
    await expect(migrateUp(test.db, { knowledgeLanguage: 'english' })).rejects.toThrow(
      'knowledgeLanguage: this database was installed with german and cannot be changed to english by a migration',
    )
    await expect(migrateUp(test.db, { graphPrefix: 'ops' })).rejects.toThrow(InvalidInputError)
  })

  it('keeps two installations in one database apart', async () => {
    await migrateUp(test.db, { schema: 'one' })
    await expect(migrateUp(test.db, { schema: 'two' })).rejects.toThrow(
      'graphPrefix: the installation in schema "one" of this database already uses "ops": choose another',
    )
    await migrateUp(test.db, { schema: 'two', graphPrefix: 'ops_two', embeddingDimension: 8 })
    await expect(migrateStatus(test.db)).rejects.toThrow('this database holds several installations (one, two): say which with { schema }')
    await ensureTenant(test.db, { code: 'a', name: 'of one' }, { schema: 'one' })
    await expect(tenantScope(test.db, 'a', { schema: 'two' })).rejects.toThrow('there is no tenant')
    const one = (await migrateUp(test.db, { schema: 'one' })).installation
    await migrateDown(test.db, { schema: 'two' })
    expect(await schemaDrift(test.db, { schema: one.schema })).toEqual([])
    expect((await tenantScope(test.db, 'a')).tenantCode).toBe('a')
  })

  it.skipIf(community)('works in the transaction it is handed, whatever the plugins, and leaves its settings alone', async () => {
    const camel = test.db.withPlugin(new CamelCasePlugin())
    await camel
      .transaction()
      .execute(async (trx) => {
        const path = () => sql<{ path: string }>`select current_setting('search_path') as path`.execute(trx)
        const before = (await path()).rows
        await migrateUp(trx)
        expect((await path()).rows).toEqual(before)
        expect((await migrateStatus(trx)).installed).toBe(true)
        throw new Error('undo')
      })
      .catch((error: unknown) => expect(String(error)).toContain('undo'))
    expect((await migrateStatus(camel)).installed).toBe(false)
    expect(await migrateUp(camel)).toMatchObject({ version: names.length })
    expect((await migrateStatus(camel)).applied[0]).toMatchObject({ name: '0001_installation', ranAt: expect.any(Date) })
  })

  it('finds extensions in a schema of their own, with a search path that does not', async () => {
    await sql`create schema extensions`.execute(test.db)
    for (const name of ['vector', 'pg_trgm', 'btree_gist']) await sql.raw(`create extension ${name} schema extensions`).execute(test.db)
    const { installation } = await test.db.transaction().execute(async (trx) => {
      await sql`select set_config('search_path', '', true)`.execute(trx)
      await sql`select set_config('search_path', 'public', true)`.execute(trx)
      return migrateUp(trx, { schema: 'obs' })
    })
    expect(await schemaDrift(test.db, { schema: installation.schema })).toEqual([])
  })
})

onEveryLeg('migrate, of a database that is at the last version', () => {
  let test: TestDatabase
  beforeEach(async () => {
    test = await freshDatabase()
  })
  afterEach(() => test.close())

  it('makes the same schema again after up and down', async () => {
    const { installation } = await migrateUp(test.db)
    const first = { catalog: await readCatalog(test.db, installation), objects: await objects(test.db) }
    await migrateDown(test.db)
    await migrateUp(test.db)
    const again = { catalog: await readCatalog(test.db, installation), objects: await objects(test.db) }
    // TimescaleDB numbers its hypertables and what is behind its aggregates on, and cuts the names of indexes to length with the number in them.
    const numbered = (names: string[]) =>
      names
        .map((name) =>
          name.replace(/_(direct_view|partial_view|hypertable)_\d+(\w+_idx)?/, (_, kind, index) => `_${kind}_N${index ? '_idx' : ''}`),
        )
        .toSorted()
    expect(again.catalog).toEqual(first.catalog)
    expect(numbered(again.objects)).toEqual(numbered(first.objects))
  })

  it('goes down to a version and up again', async () => {
    const { installation, version } = await migrateUp(test.db)
    const down = await migrateDown(test.db, { toVersion: 3 })
    const after = names.slice(3)
    expect(down).toMatchObject({ version: 3, ran: after.toReversed() })
    expect(await migrateStatus(test.db)).toMatchObject({ version: 3, pending: after })
    expect(await migrateUp(test.db)).toMatchObject({ version, ran: after })
    expect(await schemaDrift(test.db, { schema: installation.schema })).toEqual([])
    await expect(migrateDown(test.db, { toVersion: 99 })).rejects.toThrow(
      `toVersion: must be a schema version from 0 to ${names.length}, got 99`,
    )
  })

  it('goes down by the rollups alone, and up again with what they are made of', async () => {
    const { installation, version } = await migrateUp(test.db)
    const scope = await tenant(test.db)
    await insertMetrics(scope, [{ bucket: at('10:05'), resource: 'urn:a', metric: 'm', samples: [1, 2, 3] }])
    expect(await migrateDown(test.db, { toVersion: 6 })).toMatchObject({ version: 6, ran: names.slice(6).toReversed() })
    await insertMetrics(scope, [{ bucket: at('10:06'), resource: 'urn:a', metric: 'm', samples: [6] }])
    expect(await migrateUp(test.db)).toMatchObject({ version, ran: names.slice(6) })
    expect(await schemaDrift(test.db, { schema: installation.schema })).toEqual([])
    const rolled = sql`select avg_val, max_val, sample_count::int4 from ${scope.table('metric_1d', 'd')}`
    expect((await rolled.execute(test.db)).rows).toEqual([{ avg_val: 3, max_val: 6, sample_count: 4 }])
  })

  it('refuses a database newer than itself, without touching it', async () => {
    const { installation } = await migrateUp(test.db)
    await sql`insert into pgvantage_migration (name, run_on) values ('0099_later', now())`.execute(test.db)
    for (const attempt of [() => migrateUp(test.db), () => migrateDown(test.db), () => tenantScope(test.db, 'a')]) {
      await expect(attempt()).rejects.toThrow(SchemaVersionError)
      await expect(attempt()).rejects.toThrow(
        `the database's schema is at version 99, this library knows ${names.length}: upgrade the pgvantage package`,
      )
    }
    expect(await driftOf(test.db, installation)).toEqual([])
  })
})

/** A signal that aborts itself the n-th time it is asked. */
function abortingAfter(asks: number) {
  const controller = new AbortController()
  const abort = { asked: 0 }
  controller.signal.throwIfAborted = () => {
    abort.asked += 1
    if (abort.asked === asks) throw new Error('enough')
  }
  return { signal: controller.signal, abort }
}
