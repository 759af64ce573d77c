import { sql, type Kysely } from 'kysely'
import { connect } from '../../src/database/connection/connect.ts'
import { quoteIdentifier } from '../../src/database/sql/identifier.ts'
import { grantsFor, type Grant, type GrantsOptions } from '../../src/operate/rights/grants.ts'
import type { TestDatabase } from './leg.ts'

/**
 * Does the work as a role: with a login of its own on a server, else by `set role` on the one
 * connection there is.
 */
export async function actingAs<T>(test: TestDatabase, role: string, work: (db: Kysely<{}>) => Promise<T>): Promise<T> {
  if (test.url === undefined) {
    await sql`set role ${sql.id(role)}`.execute(test.db)
    try {
      return await work(test.db)
    } finally {
      await sql`reset role`.execute(test.db)
    }
  }
  const url = new URL(test.url)
  url.username = role
  url.password = 'a role of the tests'
  const db = connect({ connectionString: url.href, max: 2, maxUses: 20 })
  try {
    return await work(db)
  } finally {
    await db.destroy()
  }
}

/**
 * A role that may log in and nothing else; roles belong to the whole server, so it is dropped when
 * its database is gone.
 */
export async function createRole({ db }: Pick<TestDatabase, 'db'>, kind: string): Promise<string> {
  const name = `${kind} ${crypto.randomUUID().slice(0, 8)}`
  await sql`create role ${sql.id(name)} login password 'a role of the tests'`.execute(db)
  return name
}

/**
 * Makes a role what it is to be by the statements for it, each run as the role that is said to be
 * able to run it; returns them.
 */
export async function grantAll(test: TestDatabase, options: GrantsOptions): Promise<Grant[]> {
  const grants = await grantsFor(test.db, options)
  for (const { statement, as } of grants) {
    await test.db.connection().execute(async (connection) => {
      if (as !== null) await sql`set role ${sql.id(as)}`.execute(connection)
      try {
        await sql.raw(statement).execute(connection)
      } finally {
        await sql`reset role`.execute(connection)
      }
    })
  }
  return grants
}

/** Closes the database and drops roles of it. */
export async function closeWithRoles(test: TestDatabase, roles: readonly string[]): Promise<void> {
  if (test.url === undefined) return test.close()
  const admin = new URL(test.url)
  admin.pathname = '/postgres'
  // Memberships of a role in another go with it; what it owns went with the database.
  await test.close()
  const db = connect({ connectionString: admin.href, max: 1 })
  for (const role of roles) await sql.raw(`drop role if exists ${quoteIdentifier(role)}`).execute(db)
  await db.destroy()
}
