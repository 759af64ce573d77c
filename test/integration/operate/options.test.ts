import { afterAll, beforeAll, expect, it } from 'vitest'
import { ensureTenant } from '../../../src/catalog/tenants.ts'
import { tenantScope } from '../../../src/database/scope.ts'
import { schemaDrift } from '../../../src/operate/doctor/schemaDrift.ts'
import { migrateDown, migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { migrateStatus } from '../../../src/operate/migrate/migrateStatus.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { freshDatabase, onEveryLeg, type TestDatabase } from '../../support/leg.ts'
import { objects } from '../../support/objects.ts'

onEveryLeg('the options of migrate', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
  })
  afterAll(() => test.close())

  it.each(['Obs', 'metric_1m', 'bucket', 'x'.repeat(63)])('installs into schema %j, and only there', async (schema) => {
    const before = await objects(test.db)
    const { installation } = await migrateUp(test.db, { schema, embeddingDimension: 2001 })
    expect(installation.schema).toBe(schema)
    expect(await schemaDrift(test.db, { schema: installation.schema })).toEqual([])
    const added = (await objects(test.db)).filter((name) => !before.includes(name))
    expect(added.filter((name) => name.startsWith('relation r public.'))).toEqual([])
    // Where it is said nothing, the installation that is there is meant.
    await ensureTenant(test.db, { code: 'a' })
    expect((await tenantScope(test.db, 'a')).installation).toMatchObject(installation)
    expect((await migrateUp(test.db)).installation).toEqual(installation)
    await migrateDown(test.db, { schema })
    expect(await migrateStatus(test.db)).toMatchObject({ installed: false })
  })

  it.each([
    [{ schema: '' }, 'schema: must not be empty'],
    [{ schema: 'x'.repeat(64) }, 'schema: must be at most 63 bytes'],
    [{ schema: 'a\u0000' }, 'NUL'],
    [{ schema: 'a$$b' }, "schema: must not contain $, ' or"],
    [{ schema: "a'b" }, "schema: must not contain $, ' or"],
    [{ graphPrefix: 'Ops' }, 'graphPrefix: must be 1 to 42 lower-case letters'],
    [{ knowledgeLanguage: 'klingon' as never }, 'knowledgeLanguage: '],
    [{ embeddingDimension: 4001 }, 'embeddingDimension: '],
    [{ embeddingDimension: 0 }, 'embeddingDimension: '],
    [{ embeddingDimension: 1.5 }, 'embeddingDimension: '],
  ])('refuses %j by name', async (options, problem) => {
    const attempt = migrateUp(test.db, options)
    await expect(attempt).rejects.toThrow(InvalidInputError)
    await expect(attempt).rejects.toThrow(problem)
    expect(await migrateStatus(test.db)).toMatchObject({ installed: false })
  })
})
