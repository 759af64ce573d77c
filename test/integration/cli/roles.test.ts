import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ensureTenant } from '../../../src/catalog/tenants.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { freshDatabase, leg, type TestDatabase } from '../../support/leg.ts'
import { actingAs, closeWithRoles, createRole, grantAll } from '../../support/role.ts'
import { pgvantage, urlOf } from './pgvantage.ts'

/** That of every role the tests make. */
const password = 'a role of the tests'

describe.skipIf(!leg.available || !leg.concurrent)('pgvantage, as roles that may not everything', () => {
  let test: TestDatabase
  const role: Record<string, string> = {}
  const as = (kind: string, ...args: string[]) => pgvantage(urlOf(test.url!, { user: role[kind]!, password }), ...args)
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    for (const kind of ['owner', 'reader', 'writer', 'nobody']) role[kind] = await createRole(test, kind)
    await grantAll(test, { role: 'owner', login: role.owner! })
    await actingAs(test, role.owner!, async (db) => {
      await migrateUp(db)
      await ensureTenant(db, { code: 'shop' })
    })
    for (const kind of ['reader', 'writer'] as const) await grantAll(test, { role: kind, login: role[kind]!, schema: 'public' })
  })
  afterAll(() => closeWithRoles(test, Object.values(role)))

  it('lets a reader read', async () => {
    for (const args of [['tenants'], ['resources'], ['migrate', 'status'], ['doctor']])
      expect(await as('reader', ...args)).toMatchObject({ code: 0 })
  })

  it('says which role has the right that is missing', async () => {
    const needs = (name: string, kind: string) =>
      expect.stringContaining(`needs the role ${name}; what \`pgvantage grants --role ${name} '${role[kind]}'\` prints`)
    expect(await as('reader', 'ingest', '-', '-t', 'shop', '--create')).toMatchObject({ code: 1, err: needs('writer', 'reader') })
    expect(await as('reader', 'refresh-graph')).toMatchObject({ code: 1, err: needs('refresher', 'reader') })
    expect(await as('nobody', 'tenants')).toMatchObject({ code: 1, err: needs('reader', 'nobody') })
    expect(await as('reader', 'migrate', 'down', '--yes')).toMatchObject({
      code: 1,
      err: expect.stringContaining(`have a superuser run what \`pgvantage grants --role maintainer '${role.reader}'\` prints`),
    })
  })

  it('says in doctor what the role can be, and what it leaves to others', async () => {
    const owner = await as('owner', 'doctor')
    expect(owner).toMatchObject({ code: 0, err: '' })
    expect(owner.out.replaceAll(/\s+/g, ' ')).toContain(
      `asked as ${role.owner}, which can be reader, writer, refresher, maintainer, owner `,
    )
    const reader = (await as('reader', 'doctor')).out.replaceAll(/\s+/g, ' ')
    expect(reader).toContain(`asked as ${role.reader}, which can be reader, not writer, refresher, maintainer (`)
    expect(reader).toContain('then run `pgvantage policies apply` (for the maintainer of the tables)')
    expect(owner.out.replaceAll(/\s+/g, ' ')).not.toContain('(for the maintainer')
    expect(JSON.parse((await as('reader', 'doctor', '--json')).out)).toMatchObject({ role: role.reader })
  })

  it('says in doctor what could not be checked, without a bare error of the server', async () => {
    const nobody = await as('nobody', 'doctor')
    expect(nobody.code).toBe(3)
    expect(nobody.out).toContain('pgvantage is here, but closed to this role')
    expect(nobody.out).toContain('error: this role may not read the installation in schema public')
    await sql`revoke select on ingest_journal, pgvantage_policy from ${sql.id(role.reader!)}`.execute(test.db)
    const reader = await as('reader', 'doctor')
    const text = reader.out.replaceAll(/\s+/g, ' ')
    expect(text).toContain('warning: journal of ingest: this role may not read what the check looks at')
    expect(text).toContain('info: policies and maintenance: this role may not read the records of upkeep')
    expect(`${nobody.out}${reader.out}`).not.toContain('permission denied')
    expect(text).toContain('error: this role is not even a reader: it lacks select on public.ingest_journal')
    expect(reader.code).toBe(3)
  })

  it('refuses a wrong password, and says where it is looked for', async () => {
    const { code, err } = await pgvantage(urlOf(test.url!, { user: role.reader!, password: 'wrong' }), 'tenants')
    // A server that trusts whoever connects from here never asks.
    if (code === 0) return
    expect({ code, err }).toEqual({
      code: 1,
      err: `error: password authentication failed for user "${role.reader}": check role and password in the connection string, PGPASSWORD or ~/.pgpass\n`,
    })
  })
})
