import { Kysely, PostgresDialect, sql } from 'kysely'
import { Pool } from 'pg'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { ensureResource } from '../../../src/catalog/resources.ts'
import { roomChecks } from '../../../src/cli/roomChecks.ts'
import type { Check } from '../../../src/database/checks/check.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { schemaVersion } from '../../../src/database/installation/installation.ts'
import { doctor } from '../../../src/operate/doctor/doctor.ts'
import { migrateDown, migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { freshDatabase, leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { objects } from '../../support/objects.ts'
import { actingAs, createRole, grantAll } from '../../support/role.ts'

onEveryLeg('doctor', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase()
    // In process nothing is preloaded, and the library knows its licence only once it is loaded.
    if (leg.name === 'community') await sql`select time_bucket(interval '1 day', now())`.execute(test.db)
  })
  afterAll(() => test.close())

  it('finds nothing wrong with a database just migrated, says what each room can do, and leaves no trace', async () => {
    const before = await objects(test.db)
    const report = await doctor(test.db)
    expect(report).toMatchObject({ version: schemaVersion, libraryVersion: schemaVersion, drift: [], installation: { schema: 'public' } })
    expect(report.findings.filter(({ severity }) => severity === 'error')).toEqual([])
    const states = Object.fromEntries(report.rooms.map(({ room, state }) => [room, state]))
    expect(states).toMatchObject({
      metrics: leg.timescaledb ? 'full' : 'fallback',
      graph: leg.age ? 'full' : 'fallback',
      lifecycle: leg.name === 'community' ? 'full' : 'fallback',
      knowledge: 'full',
    })
    expect(report.timescaleLicence).toBe({ embedded: null, community: 'timescale', server: 'apache' }[leg.name])
    expect(await objects(test.db)).toEqual(before)
  })

  it('warns of the pgvector that loses rows in vacuum, by its version', async () => {
    const { extensions, findings } = await doctor(test.db)
    const [major, minor, patch] = extensions.vector.installed!.split('.').map(Number)
    const old = major === 0 && (minor! < 8 || (minor === 8 && patch! < 4))
    expect(findings.some(({ code }) => code === 'pgvector-vacuum')).toBe(old)
  })

  it('warns of JIT where a connection has it, and says so where connect turned it off', async () => {
    const found = async (db: Kysely<{}>) => (await doctor(db)).findings.filter(({ code }) => code === 'jit')
    if (leg.name !== 'server') return expect(await found(test.db)).toEqual([])
    const brought = new Kysely<{}>({ dialect: new PostgresDialect({ pool: new Pool({ connectionString: test.url!, max: 1 }) }) })
    try {
      const remedy = expect.stringMatching(/^run `alter role ".+" set jit = off`/)
      expect(await found(test.db)).toEqual([
        { severity: 'info', code: 'jit', message: expect.stringContaining('connect turns it off'), remedy },
      ])
      expect(await found(brought)).toEqual([{ severity: 'warning', code: 'jit', message: expect.stringContaining('JIT'), remedy }])
      const database = sql.id(new URL(test.url!).pathname.slice(1))
      await sql`alter database ${database} set jit = off`.execute(test.db)
    } finally {
      await brought.destroy()
    }
    const later = connect({ connectionString: test.url!, max: 1 })
    expect(await found(later).finally(() => later.destroy())).toEqual([])
  })

  it('makes each difference a finding, with what to do about it', async () => {
    await undone(async (trx) => {
      await sql`drop function exp_histogram_count(bytea)`.execute(trx)
      await sql`alter table dim_tenant alter column name drop not null`.execute(trx)
      await sql`create index theirs on dim_resource (env)`.execute(trx)
      const findings = (await doctor(trx)).findings.filter(({ code }) => code === 'drift')
      expect(findings).toEqual([
        expect.objectContaining({
          severity: 'error',
          message: 'column dim_tenant.name is "text", not "text not null"',
          remedy: 'change it back to: text not null',
        }),
        expect.objectContaining({
          severity: 'error',
          message: 'function exp_histogram_count(histogram bytea) is missing',
          remedy: expect.stringContaining('migrate up'),
        }),
        expect.objectContaining({
          severity: 'warning',
          message: expect.stringContaining('index dim_resource.theirs was not created by pgvantage'),
        }),
      ])
    })
  })

  it('takes a dropped trigger or rollup for an error', async () => {
    await undone(async (trx) => {
      const native = leg.name === 'community' ? [] : ['drop trigger metric_1h_stale_after_insert on metric_1m']
      const view = leg.name === 'community' ? 'materialized view' : 'view'
      for (const change of [...native, `drop ${view} service_call_1d`]) await sql.raw(change).execute(trx)
      const findings = (await doctor(trx)).findings.filter(({ code }) => code === 'drift')
      expect(findings).toEqual([
        ...native.map(() =>
          expect.objectContaining({
            severity: 'error',
            message: 'trigger metric_1m.metric_1h_stale_after_insert is missing: late rows do not reach its rollup',
            remedy: expect.stringContaining('create it again: CREATE TRIGGER metric_1h_stale_after_insert AFTER INSERT ON metric_1m'),
          }),
        ),
        expect.objectContaining({
          severity: 'error',
          message: 'view service_call_1d is missing',
          remedy: expect.stringContaining('migrate plan --sql'),
        }),
      ])
    })
  })

  it('says which version the database is at', async () => {
    await undone(async (trx) => {
      await migrateDown(trx, { toVersion: 5 })
      expect((await doctor(trx)).findings[0]).toMatchObject({
        severity: 'error',
        code: 'schema-version',
        remedy: 'run `pgvantage migrate up`',
      })
    })
    await undone(async (trx) => {
      await sql`insert into pgvantage_migration (name, run_on) values ('0099_later', now())`.execute(trx)
      expect((await doctor(trx)).findings[0]).toMatchObject({
        severity: 'error',
        code: 'schema-version',
        remedy: 'upgrade the pgvantage package',
      })
    })
  })

  it('finds rows outside the partitions', async ({ skip }) => {
    skip(leg.timescaledb, 'hypertables make a chunk for every time')
    await undone(async (trx) => {
      const scope = await tenant(trx)
      const id = await ensureResource(scope, { urn: 'urn:x', type: 'service', name: 'x' })
      await sql`insert into metric_1m (bucket, tenant_id, resource_id, metric) values ('2001-01-01', ${scope.tenantId}, ${id}, 'm')`.execute(
        trx,
      )
      expect((await doctor(trx)).findings).toContainEqual(
        expect.objectContaining({
          severity: 'warning',
          code: 'default-partition',
          message: expect.stringContaining('metric_1m_default holds rows'),
        }),
      )
    })
  })

  const theirs: Check = {
    name: 'their table',
    find: ({ installation, version }) => [
      { severity: 'error', code: 'theirs', message: `${installation!.schema} is at ${version}`, remedy: 'nothing' },
    ],
  }

  it('runs the checks it is given, after its own', async () => {
    const [first] = (await doctor(test.db, { checks: [theirs] })).findings
    expect(first).toEqual({ severity: 'error', code: 'theirs', message: `public is at ${schemaVersion}`, remedy: 'nothing' })
  })

  it.each([
    ['throws', () => Promise.reject(new Error('no such luck')), 'no such luck'],
    ['meets an error of the server', async ({ db }) => (await sql`select 1 / 0`.execute(db), []), 'division by zero'],
    ['writes', async ({ db }) => (await sql`create table written (at int4)`.execute(db), []), 'read-only transaction'],
  ] as [string, Check['find'], string][])('names a check that %s, and runs the others', async (_, find, message) => {
    const checks: Check[] = [{ name: 'failing', find }, theirs]
    expect((await doctor(test.db, { checks })).findings.slice(0, 2)).toEqual([
      expect.objectContaining({
        severity: 'error',
        code: 'check-failed',
        message: expect.stringMatching(`^the check "failing" failed: .*${message}`),
      }),
      expect.objectContaining({ code: 'theirs' }),
    ])
  })

  it("runs the other checks in a caller's transaction too, and undoes what one has written", async () => {
    await undone(async (trx) => {
      const writes: Check = { name: 'writing', find: async ({ db }) => (await sql`create table written (at int4)`.execute(db), []) }
      const fails: Check = { name: 'failing', find: async ({ db }) => (await sql`select 1 / 0`.execute(db), []) }
      const { findings } = await doctor(trx, { checks: [writes, fails, theirs] })
      expect(findings.slice(0, 2).map(({ code }) => code)).toEqual(['check-failed', 'theirs'])
      const { rows } = await sql<{ written: string | null }>`select to_regclass('written')::text as written`.execute(trx)
      expect(rows).toEqual([{ written: null }])
    })
  })

  it('refuses what is no check, by its name', async () => {
    await expect(doctor(test.db, { checks: [{ name: 'without find' } as unknown as Check] })).rejects.toThrow(
      /^checks\[0\]: must be a check \{ name, find \}/,
    )
  })

  async function undone(work: (trx: TestDatabase['db']) => Promise<void>): Promise<void> {
    const undo = new Error('undo')
    await test.db
      .transaction()
      .execute(async (trx) => {
        await work(trx)
        throw undo
      })
      .catch((error: unknown) => {
        if (error !== undo) throw error
      })
  }
})

onEveryLeg('doctor, of a database without pgvantage', () => {
  let test: TestDatabase
  beforeEach(async () => {
    test = await freshDatabase({ migrated: false })
  })
  afterEach(() => test.close())

  it('says so and what to do', async () => {
    const { installation, rooms, findings } = await doctor(test.db)
    expect(installation).toBeNull()
    expect(new Set(rooms.map(({ state }) => state))).toEqual(new Set(['missing']))
    expect(findings).toContainEqual(
      expect.objectContaining({ severity: 'error', code: 'not-installed', remedy: 'run `pgvantage migrate up`' }),
    )
    expect(findings).toContainEqual(
      expect.objectContaining({ code: 'extension-missing', message: 'extension vector is available but not installed' }),
    )
  })

  it('says who creates the extensions that are wanting, where the role that asks may not', async () => {
    const role = await createRole(test, 'plain')
    try {
      const { findings, role: asked } = await actingAs(test, role, (db) => doctor(db))
      expect(asked).toBe(role)
      expect(findings).toContainEqual(
        expect.objectContaining({
          code: 'extension-missing',
          message: 'extension vector is available but not installed',
          remedy: 'run `create extension vector` in this database, then `pgvantage migrate up`',
          needs: 'superuser',
        }),
      )
      // As a superuser.
      expect((await doctor(test.db)).findings).toContainEqual(
        expect.objectContaining({ code: 'extension-missing', remedy: 'run `pgvantage migrate up`, which creates it', needs: 'owner' }),
      )
    } finally {
      await sql`drop role ${sql.id(role)}`.execute(test.db)
    }
  })

  it('says what the role that asks may not look at', async () => {
    await migrateUp(test.db)
    const role = await createRole(test, 'reader')
    const asRole = () => actingAs(test, role, (db) => doctor(db, { checks: roomChecks }))
    const closed = await asRole()
    expect(closed.installation).toBeNull()
    expect(closed.findings[0]).toMatchObject({ severity: 'error', code: 'unreadable' })
    expect(new Set(closed.rooms.map(({ reason }) => reason))).toEqual(new Set(['this role may not read the tables']))
    await grantAll(test, { role: 'reader', login: role })
    expect((await asRole()).findings.filter(({ code }) => code === 'not-checked')).toEqual([])
    await sql`revoke select on ingest_journal, pgvantage_policy from ${sql.id(role)}`.execute(test.db)
    const { findings } = await asRole()
    expect(findings.filter(({ code }) => code === 'not-checked').map(({ severity, message }) => [severity, message.split(':')[0]])).toEqual(
      [
        ['warning', 'journal of ingest'],
        ['info', 'policies and maintenance'],
      ],
    )
    expect(JSON.stringify([closed, findings])).not.toContain('permission denied')
    await sql`drop owned by ${sql.id(role)}`.execute(test.db)
    await sql`drop role ${sql.id(role)}`.execute(test.db)
  })

  it('reads on where our own record is broken', async () => {
    await migrateUp(test.db)
    await sql`drop table pgvantage_migration`.execute(test.db)
    expect((await doctor(test.db)).findings[0]).toMatchObject({ severity: 'error', code: 'unreadable' })
  })
})
