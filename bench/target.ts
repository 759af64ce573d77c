import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { ensureTenant } from '../src/catalog/tenants.ts'
import { connect } from '../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../src/database/scope.ts'
import { migrateUp } from '../src/operate/migrate/migrate.ts'

/** A migrated database of the benchmark's own: a new one on the server, or one in this process; gone when closed. */
export async function openTarget(
  url: string | undefined,
  { migrate = migrateUp }: { migrate?: (db: Kysely<{}>) => Promise<unknown> } = {},
): Promise<{ db: Kysely<{}>; url: string | undefined; close(): Promise<void> }> {
  if (url === undefined) {
    const { openEmbedded } = await import('../src/database/connection/embedded.ts')
    const { db, close } = await openEmbedded()
    await migrate(db)
    return { db, url, close }
  }
  const admin = connect({ connectionString: url, max: 1 })
  const name = `bench_${randomUUID().replaceAll('-', '')}`
  await sql`create database ${sql.id(name)}`.execute(admin)
  const own = new URL(url)
  own.pathname = `/${name}`
  const db = connect(own.href)
  await migrate(db)
  const close = async () => {
    await db.destroy()
    await sql`drop database ${sql.id(name)} with (force)`.execute(admin)
    await admin.destroy()
  }
  return { db, url: own.href, close }
}

/** A new tenant, so that nothing another measurement left is in the way. */
export async function newTenant(db: Kysely<{}>): Promise<Scope> {
  const code = randomUUID()
  await ensureTenant(db, { code })
  return tenantScope(db, code)
}

/** Seconds that the work takes. */
export async function seconds(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now()
  await work()
  return (performance.now() - start) / 1000
}
