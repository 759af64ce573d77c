import { CamelCasePlugin, sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { ensureTenant } from '../../../src/catalog/tenants.ts'
import { tenantScope } from '../../../src/database/scope.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'

onEveryLeg('tenantScope', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  it('carries the tenant, where our tables are, and what they were installed with', async () => {
    const scope = await tenant(test.db, 't-001')
    expect(scope.tenantCode).toBe('t-001')
    expect(scope.tenantId).toMatch(/^[0-9]+$/)
    expect(scope.graphName).toBe(`ops_${scope.tenantId}`)
    expect(scope.installation).toMatchObject({ schema: 'public', embeddingDimension: 1536, embeddingDistance: 'l2' })
    expect(scope.extensions.has('vector')).toBe(true)
  })

  it('reads our tables through a Kysely with plugins as through one without', async () => {
    await ensureTenant(test.db, { code: 'camel' })
    const scope = await tenantScope(test.db.withPlugin(new CamelCasePlugin()), 'camel')
    const rows = await scope.db
      .selectFrom(scope.table('dim_tenant', 'tenant'))
      .select(['tenant.tenant_id', 'tenant.code'])
      .where('tenant.code', '=', 'camel')
      .execute()
    expect(rows).toEqual([{ tenant_id: scope.tenantId, code: 'camel' }])
  })

  it('keeps hostile tenant codes as data', async () => {
    for (const code of [`'; drop table dim_tenant; --`, '$$', '"', '\\', '🦊', 'x'.repeat(255)]) {
      const scope = await tenant(test.db, code)
      expect(scope.tenantCode).toBe(code)
    }
  })

  it.each([
    ['', 'must not be empty'],
    ['a\u0000b', 'NUL'],
    ['\ud800', 'Unicode'],
    ['x'.repeat(256), 'at most 255 bytes'],
  ])('refuses the code %j by name', async (code, problem) => {
    await expect(ensureTenant(test.db, { code })).rejects.toThrow(problem)
    await expect(tenantScope(test.db, code)).rejects.toThrow(/^code: /)
  })

  it('says what to do about a tenant that is not there', async () => {
    await expect(tenantScope(test.db, 'nobody')).rejects.toThrow(
      'there is no tenant with code "nobody": listTenants(db) lists those there are, ensureTenant(db, { code: "nobody" }) makes one',
    )
  })

  it('makes its queries on the transaction it was made from', async () => {
    await test.db
      .transaction()
      .execute(async (trx) => {
        await ensureTenant(trx, { code: 'rolled-back' })
        await tenantScope(trx, 'rolled-back')
        throw new Error('undo')
      })
      .catch(() => {})
    await expect(tenantScope(test.db, 'rolled-back')).rejects.toThrow('there is no tenant')
    expect((await sql<{ one: number }>`select 1 as one`.execute(test.db)).rows).toEqual([{ one: 1 }])
  })
})
