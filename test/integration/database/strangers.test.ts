import { sql, type Kysely } from 'kysely'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { ensureTenant } from '../../../src/catalog/tenants.ts'
import { installationPlaces, tableNames, viewNames } from '../../../src/database/installation/installationPlaces.ts'
import { tenantScope } from '../../../src/database/scope.ts'
import { doctor } from '../../../src/operate/doctor/doctor.ts'
import { manifest } from '../../../src/operate/manifest.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { migratePlan } from '../../../src/operate/migrate/migratePlan.ts'
import { migrateStatus } from '../../../src/operate/migrate/migrateStatus.ts'
import { planPolicies } from '../../../src/operate/apply/planPolicies.ts'
import { freshDatabase, leg, onEveryLeg, type TestDatabase } from '../../support/leg.ts'

const stranger = sql.id(`stranger_${crypto.randomUUID().replaceAll('-', '')}`)

/** What the stranger's functions leave when they run, whoever runs them. */
const trap = sql`
  create function stranger.ran() returns text language plpgsql as $$ begin insert into public.trapped values (current_user); return '0008'; end $$
`
const ownTable = sql`
  create table stranger.pgvantage_installation (only_row bool, graph_prefix text, embedding_dimension int, embedding_distance text, time_rung text)
`

/** Everything that looks for an installation without being told where. */
const lookers: Readonly<Record<string, (db: Kysely<{}>) => Promise<unknown>>> = {
  tenantScope: (db) => tenantScope(db, 't-001'),
  ensureTenant: (db) => ensureTenant(db, { code: 't-001' }),
  doctor: (db) => doctor(db),
  migrateStatus: (db) => migrateStatus(db),
  migratePlan: (db) => migratePlan(db),
  migrateUp: (db) => migrateUp(db),
  planPolicies: (db) => planPolicies(db),
}

onEveryLeg('a schema that looks like an installation', () => {
  let installed: TestDatabase
  let empty: TestDatabase
  let test: TestDatabase
  beforeAll(async () => {
    installed = await freshDatabase()
    empty = await freshDatabase({ migrated: false })
    await ensureTenant(installed.db, { code: 't-001' })
    // Roles are of the whole server, so both databases are left before it can go.
    for (const { db } of leg.concurrent ? [installed] : [installed, empty]) await sql`create role ${stranger}`.execute(db)
  })
  afterEach(async () => {
    await sql`drop schema if exists stranger cascade`.execute(test.db)
    await sql`drop table if exists public.trapped`.execute(test.db)
  })
  afterAll(async () => {
    await sql`drop role ${stranger}`.execute(installed.db)
    await installed.close()
    await empty.close()
  })

  /** As the stranger, who owns a schema in which there is what one likes. */
  const make = async (...statements: ReturnType<typeof sql>[]) =>
    test.db.transaction().execute(async (trx) => {
      await sql`create schema stranger authorization ${stranger}`.execute(trx)
      await sql`create table public.trapped (who text)`.execute(trx)
      await sql`set local role ${stranger}`.execute(trx)
      for (const statement of statements) await statement.execute(trx)
    })
  const trapped = async () => (await sql`select who from public.trapped`.execute(test.db)).rows

  it('has every one of our tables and views looked at', async () => {
    test = installed
    expect([...tableNames]).toEqual(Object.keys(manifest.tables).sort())
    expect([...viewNames]).toEqual(Object.keys(manifest.views).sort())
    expect(await installationPlaces(test.db)).toMatchObject([{ schema: 'public', vouched: true, doubts: [] }])
  })

  it.each([
    [
      'is a view',
      [sql`create view stranger.pgvantage_installation as select true as only_row, stranger.ran() as graph_prefix`],
      'pgvantage_installation is no table',
    ],
    [
      'has a view for what was migrated',
      [ownTable, sql`create view stranger.pgvantage_migration as select stranger.ran() as name, localtimestamp as run_on`],
      'pgvantage_migration is no table',
    ],
    [
      'has a view for its tenants',
      [ownTable, sql`create view stranger.dim_tenant as select 1::int8 as tenant_id, stranger.ran() as code`],
      'dim_tenant is no table',
    ],
    [
      'has a type of its own for what is read',
      [
        sql`create type stranger.own as enum ('ops')`,
        sql`create table stranger.pgvantage_installation (only_row bool, graph_prefix stranger.own, embedding_dimension int, embedding_distance text, time_rung text)`,
      ],
      'pgvantage_installation.graph_prefix has a user-defined type',
    ],
    [
      'has rules on its table',
      [ownTable, sql`create rule trap as on insert to stranger.pgvantage_installation do also select stranger.ran()`],
      'pgvantage_installation has rules',
    ],
    [
      'has row-level security on its table',
      [
        ownTable,
        sql`alter table stranger.pgvantage_installation enable row level security`,
        sql`create policy trap on stranger.pgvantage_installation using (stranger.ran() is not null)`,
      ],
      'pgvantage_installation has row-level security',
    ],
  ])('and %s is refused by name, and nothing of it is run', async (_, statements, doubt) => {
    test = empty
    await make(trap, ...statements)
    const { doctor: _doctor, ...refusing } = lookers
    for (const look of Object.values(refusing)) await expect(look(test.db)).rejects.toThrow(doubt)
    const { findings, installation } = await doctor(test.db)
    expect(installation).toBeNull()
    expect(findings.filter(({ code }) => code === 'doubtful-installation').map(({ severity, message }) => [severity, message])).toEqual([
      ['error', expect.stringContaining(doubt)],
    ])
    expect(await trapped()).toEqual([])
  })

  it('and is doubtful keeps nobody from the real one beside it', async () => {
    test = installed
    await make(trap, ownTable, sql`create view stranger.pgvantage_migration as select stranger.ran() as name, localtimestamp as run_on`)
    expect((await tenantScope(test.db, 't-001')).installation.schema).toBe('public')
    for (const look of Object.values(lookers)) await look(test.db)
    const { findings } = await doctor(test.db)
    expect(findings.filter(({ code }) => code === 'doubtful-installation').map(({ severity }) => severity)).toEqual(['warning'])
    await expect(tenantScope(test.db, 't-001', { schema: 'stranger' })).rejects.toThrow('pgvantage_migration is no table')
    expect(await trapped()).toEqual([])
  })

  it('and is whole, but a stranger’s, is not taken for the one of the database’s owner', async () => {
    test = installed
    await make(
      ownTable,
      sql`insert into stranger.pgvantage_installation values (true, 'theirs', 1536, 'l2', 'native')`,
      sql`create table stranger.pgvantage_migration (name varchar(255), run_on timestamp)`,
      sql`create table stranger.dim_tenant (tenant_id int8, code text)`,
    )
    expect((await installationPlaces(test.db)).map(({ schema, vouched, doubts }) => [schema, vouched, doubts])).toEqual([
      ['public', true, []],
      ['stranger', false, []],
    ])
    expect((await tenantScope(test.db, 't-001')).installation.schema).toBe('public')
    await expect(migrateUp(test.db, { schema: 'stranger' }))
      .resolves.toMatchObject({ installation: { schema: 'stranger' } })
      .catch(() => {})
  })

  it('and is alone is not believed by a superuser unasked', async () => {
    test = empty
    await make(
      ownTable,
      sql`insert into stranger.pgvantage_installation values (true, 'theirs', 1536, 'l2', 'native')`,
      sql`create table stranger.pgvantage_migration (name varchar(255), run_on timestamp)`,
    )
    await expect(migrateUp(test.db)).rejects.toThrow('which a superuser must name explicitly: name it with { schema }')
    expect(await migrateStatus(test.db, { schema: 'stranger' })).toMatchObject({ installed: true, version: 0 })
  })

  it('is none where only a temporary table has the name', async () => {
    test = installed
    await test.db.connection().execute(async (db) => {
      await sql`create temporary table pgvantage_installation (x int4)`.execute(db)
      try {
        expect((await tenantScope(db, 't-001')).installation.schema).toBe('public')
        expect((await doctor(db)).findings.filter(({ severity }) => severity === 'error')).toEqual([])
      } finally {
        await sql`drop table pg_temp.pgvantage_installation`.execute(db)
      }
    })
  })

  it('is not made in a schema that somebody else could put things into', async () => {
    test = empty
    await make()
    await expect(migrateUp(test.db, { schema: 'stranger' })).rejects.toThrow(/schema "stranger" belongs to .*migrate as stranger_/)
    expect(await migrateStatus(test.db)).toMatchObject({ installed: false })
  })
})
