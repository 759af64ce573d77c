import { sql } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ensureResources } from '../../../src/catalog/resources.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { schemaVersion } from '../../../src/database/installation/installation.ts'
import { schemaDrift } from '../../../src/operate/doctor/schemaDrift.ts'
import { doctor } from '../../../src/operate/doctor/doctor.ts'
import { createExtensions } from '../../../src/operate/extensions.ts'
import { migrateDown, migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { migrateStatus } from '../../../src/operate/migrate/migrateStatus.ts'
import { MissingCapabilityError } from '../../../src/schema/errors.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { objects } from '../../support/objects.ts'
import { at, insertMetrics } from '../../support/rows.ts'
import { startPgBouncer } from '../../support/pgbouncer.ts'

describe.skipIf(!leg.available || !leg.concurrent)('migrate, on a server', () => {
  let test: TestDatabase
  beforeEach(async () => {
    test = await freshDatabase({ migrated: false })
  })
  afterEach(() => test.close())

  it('run 20 times at once ends in one correct schema', async () => {
    const clients = Array.from({ length: 20 }, () => connect({ connectionString: test.url!, max: 1 }))
    try {
      const results = await Promise.all(clients.map((client) => migrateUp(client)))
      expect(results.map(({ ran }) => ran.length).sort((a, b) => a - b)).toEqual([...Array<number>(19).fill(0), schemaVersion])
      expect(await schemaDrift(test.db, { schema: results[0]!.installation.schema })).toEqual([])
      expect((await migrateStatus(test.db)).applied).toHaveLength(schemaVersion)
    } finally {
      await Promise.all(clients.map((client) => client.destroy()))
    }
  })

  it('waits its turn also where transactions are serializable by default', async () => {
    const strict = () => connect({ connectionString: test.url!, max: 1, options: '-c default_transaction_isolation=serializable' })
    const clients = [strict(), strict(), strict()]
    try {
      const results = await Promise.all(clients.map((client) => migrateUp(client)))
      expect(results.flatMap(({ ran }) => ran)).toHaveLength(schemaVersion)
    } finally {
      await Promise.all(clients.map((client) => client.destroy()))
    }
  })

  it('leaves nothing behind when its connection is killed half-way, and then runs', async () => {
    await test.db.transaction().execute(createExtensions)
    const before = await objects(test.db)
    const blocker = await test.db.startTransaction().execute()
    // An uncommitted table of that name: the migration that makes it waits to learn what becomes of this one.
    await sql`create table kb_doc (theirs int4)`.execute(blocker)
    const other = connect({
      connectionString: test.url!,
      max: 1,
      application_name: 'to be killed',
      onConnect: (client) => client.on('error', () => {}),
    })
    const attempt = migrateUp(other).catch((error: unknown) => error)
    try {
      await until(async () => {
        const { rows } = await sql`
          select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'to be killed' and wait_event_type = 'Lock'
        `.execute(test.db)
        return rows.length === 1
      })
      expect(await attempt).toBeInstanceOf(Error)
    } finally {
      await blocker.rollback().execute()
      await other.destroy()
    }
    expect(await objects(test.db)).toEqual(before)
    expect((await migrateUp(test.db)).version).toBe(schemaVersion)
  })

  it('works through PgBouncer in transaction mode, several at once', async ({ skip }) => {
    const pooler = await startPgBouncer(test.url!)
    if (pooler === null) return skip('PgBouncer cannot be had on this machine')
    const db = connect({ connectionString: pooler.url, max: 5 })
    try {
      const results = await Promise.all([migrateUp(db), migrateUp(db), migrateUp(db)])
      expect(results.flatMap(({ ran }) => ran)).toHaveLength(schemaVersion)
      expect(await schemaDrift(db, { schema: results[0].installation.schema })).toEqual([])
      await migrateDown(db)
      expect(await migrateStatus(db)).toMatchObject({ installed: false })
    } finally {
      await db.destroy()
      await pooler.stop()
    }
  })

  it('needs no superuser where the extensions are there already, and says what to do where they are not', async () => {
    const { url, drop } = await plainRole(test)
    const db = connect({ connectionString: url, max: 2 })
    try {
      const refused = await migrateUp(db).catch((error: unknown) => error)
      expect(refused).toBeInstanceOf(MissingCapabilityError)
      expect(String(refused)).toContain('have a superuser run `create extension vector` in this database')
      await test.db.transaction().execute(createExtensions)
      const { username } = new URL(url)
      await expect(migrateUp(db)).rejects.toThrow(`have a superuser run \`grant usage on schema ag_catalog to ${username}\``)
      await sql`grant usage on schema ag_catalog to ${sql.id(username)}`.execute(test.db)
      const { installation, notices } = await migrateUp(db)
      expect(notices).toEqual([])
      expect(await schemaDrift(db, { schema: installation.schema })).toEqual([])
      expect((await doctor(db)).findings.filter(({ severity }) => severity === 'error')).toEqual([])
      await migrateDown(db)
      expect(await migrateStatus(db)).toMatchObject({ installed: false })
    } finally {
      await db.destroy()
      await drop()
    }
  })
})

describe.skipIf(!leg.available || !leg.concurrent)('rights on rollups', () => {
  let test: TestDatabase
  let role: Awaited<ReturnType<typeof plainRole>>
  let theirs: ReturnType<typeof connect>
  let name: string
  beforeEach(async () => {
    test = await freshDatabase()
    role = await plainRole(test)
    theirs = connect({ connectionString: role.url, max: 1 })
    name = new URL(role.url).username
  })
  afterEach(async () => {
    await theirs.destroy()
    await role.drop()
    await test.close()
  })

  it('need not reach where the rows are stored to read a rollup, rolled or not', async () => {
    const scope = await tenant(test.db)
    await insertMetrics(scope, [{ bucket: at('10:05'), resource: 'urn:a', metric: 'm', samples: [1, 2, 3] }])
    // As upkeep leaves it: the hour lies in the stored table, and only there.
    await sql`insert into metric_1h_stored select * from metric_1h`.execute(test.db)
    await sql`update pgvantage_time_table set rolled_until = ${at('11:00')} where name = 'metric_1h'`.execute(test.db)
    await insertMetrics(scope, [{ bucket: at('11:05'), resource: 'urn:a', metric: 'm', samples: [7] }])
    await sql`grant select on metric_1m, metric_1h, metric_1d to ${sql.id(name)}`.execute(test.db)
    // A view is its owner's, but the functions in it are run by whoever reads it.
    await expect(sql`select * from metric_1h`.execute(theirs)).rejects.toThrow(/permission denied for (function|aggregate) exp_histogram/)
    await sql`grant execute on function exp_histogram(float8, int8), exp_histogram_merge(bytea), exp_histogram_quantile(bytea, float8),
      exp_histogram_merge_all(bytea[]), exp_histogram_quantiles(bytea[], float8[]) to ${sql.id(name)}`.execute(test.db)
    const hours = await sql`select bucket, avg_val from metric_1h order by bucket`.execute(theirs)
    expect(hours.rows).toEqual([
      { bucket: at('10:00'), avg_val: 2 },
      { bucket: at('11:00'), avg_val: 7 },
    ])
    expect((await sql`select avg_val from metric_1d`.execute(theirs)).rows).toEqual([{ avg_val: 3.25 }])
    await expect(sql`select from metric_1h_stored`.execute(theirs)).rejects.toThrow('permission denied for table metric_1h_stored')
  })

  it('need not reach where late buckets are noted to write what a rollup is made of', async () => {
    const scope = await tenant(test.db)
    const [resource] = await ensureResources(scope, [{ urn: 'urn:a', type: 'service', name: 'a' }]).then((ids) => [...ids.values()])
    await sql`delete from pgvantage_stale_bucket`.execute(test.db)
    await sql`grant insert on metric_1m, metric_series to ${sql.id(name)}`.execute(test.db)
    await sql`grant select, update on metric_series to ${sql.id(name)}`.execute(test.db)
    await sql`
      insert into metric_1m (bucket, tenant_id, resource_id, metric) values (${at('10:05')}, ${scope.tenantId}, ${resource}, 'm')
    `.execute(theirs)
    const noted = await sql`select rollup, bucket from pgvantage_stale_bucket`.execute(test.db)
    expect(noted.rows).toEqual([{ rollup: 'metric_1h', bucket: at('10:00') }])
    expect((await sql`select metric from metric_series`.execute(test.db)).rows).toEqual([{ metric: 'm' }])
    await expect(sql`select from pgvantage_stale_bucket`.execute(theirs)).rejects.toThrow('permission denied')
    await expect(sql`select from metric_1h`.execute(theirs)).rejects.toThrow('permission denied for view metric_1h')
  })
})

/** A role that may log in and create things in this database, and nothing else. */
async function plainRole({ db, url }: TestDatabase) {
  const name = `role_${crypto.randomUUID().replaceAll('-', '')}`
  const theirs = new URL(url!)
  const database = theirs.pathname.slice(1)
  theirs.username = name
  theirs.password = 'plain'
  await sql`create role ${sql.id(name)} login password 'plain'`.execute(db)
  await sql`grant create on schema public to ${sql.id(name)}`.execute(db)
  await sql`grant create on database ${sql.id(database)} to ${sql.id(name)}`.execute(db)
  const drop = async () => {
    await sql`drop owned by ${sql.id(name)}`.execute(db)
    await sql`drop role ${sql.id(name)}`.execute(db)
  }
  return { url: theirs.href, drop }
}

async function until(condition: () => Promise<boolean>): Promise<void> {
  for (const start = Date.now(); Date.now() - start < 20_000; await new Promise((resolve) => setTimeout(resolve, 50))) {
    if (await condition()) return
  }
  throw new Error('it did not come to that within 20 s')
}
