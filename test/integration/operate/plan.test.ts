import { CompiledQuery, sql } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { migrations } from '../../../migrations/index.ts'
import { readCatalog } from '../../../src/operate/catalog.ts'
import { schemaDrift } from '../../../src/operate/doctor/schemaDrift.ts'
import { createExtensions } from '../../../src/operate/extensions.ts'
import { statements } from '../../../src/operate/installedSql.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { migratePlan } from '../../../src/operate/migrate/migratePlan.ts'
import { freshDatabase, leg, onEveryLeg, type TestDatabase } from '../../support/leg.ts'
import { objects } from '../../support/objects.ts'
import { actingAs, createRole } from '../../support/role.ts'

onEveryLeg('migratePlan', () => {
  let test: TestDatabase
  beforeEach(async () => {
    test = await freshDatabase({ migrated: false })
  })
  afterEach(() => test.close())

  it('changes nothing', async () => {
    const before = await objects(test.db)
    const plan = await migratePlan(test.db)
    expect(await objects(test.db)).toEqual(before)
    expect(plan.migrations.map(({ name }) => name)).toEqual(migrations.map(({ name }) => name))
    expect(plan.extensions).toContain('vector')
  })

  it.each([
    ['public', {}],
    ['Its "own"', { schema: 'Its "own"', embeddingDimension: 3000, embeddingDistance: 'ip' as const, graphPrefix: 'g' }],
  ])('into %s gives a script that does what up does', async (schema, options) => {
    if (leg.name === 'community') await test.db.transaction().execute(createExtensions)
    const { sql: script } = await migratePlan(test.db, options)
    // Statement after statement on one connection, as psql sends them.
    await test.db.connection().execute(async (connection) => {
      for (const statement of statements(script)) await connection.executeQuery(CompiledQuery.raw(statement))
    })
    const scripted = await migrateUp(test.db, { schema })
    expect(scripted.ran).toEqual([])
    expect(scripted.installation).toMatchObject(options)
    expect(await schemaDrift(test.db, { schema: scripted.installation.schema })).toEqual([])

    const other = await freshDatabase({ migrated: false })
    try {
      if (leg.name === 'community') await other.db.transaction().execute(createExtensions)
      const { installation } = await migrateUp(other.db, options)
      expect(scripted.installation).toEqual(installation)
      expect(await readCatalog(test.db, installation)).toEqual(await readCatalog(other.db, installation))
      expect(await objects(test.db)).toEqual(await objects(other.db))
    } finally {
      await other.close()
    }
  })

  it('says which extensions the role that asks may not create', async () => {
    const role = await createRole(test, 'plain')
    try {
      const { extensions, notices } = await actingAs(test, role, (db) => migratePlan(db))
      expect(extensions).toContain('vector')
      expect(notices).toContainEqual(expect.stringMatching(/^this role may not create vector, .*: have a superuser run .* at least$/))
      expect((await migratePlan(test.db)).notices.filter((notice) => notice.startsWith('this role'))).toEqual([])
    } finally {
      await sql`drop role ${sql.id(role)}`.execute(test.db)
    }
  })

  it('stops where TimescaleDB turns out to be of the edition it was not made for', async ({ skip }) => {
    skip(leg.name !== 'community', 'elsewhere it is the Apache edition, as planned')
    const { sql: script, notices } = await migratePlan(test.db)
    expect(notices).toEqual([expect.stringContaining('this plan is for the Apache edition')])
    await expect(
      test.db.connection().execute(async (connection) => {
        for (const statement of statements(script)) await connection.executeQuery(CompiledQuery.raw(statement))
      }),
    ).rejects.toThrow('planned for TimescaleDB')
  })

  it('of a migrated database only installs the functions again', async () => {
    await migrateUp(test.db)
    const plan = await migratePlan(test.db)
    expect(plan.migrations).toEqual([])
    expect(plan.sql).not.toMatch(/create table (?!if not exists)/i)
  })
})
