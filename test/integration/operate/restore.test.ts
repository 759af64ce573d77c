import { sql, type Kysely } from 'kysely'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { activeCalls, refreshCallGraph } from '../../../src/calls/index.ts'
import { tenantScope } from '../../../src/database/index.ts'
import { cypher } from '../../../src/graph/index.ts'
import { searchKnowledge } from '../../../src/knowledge/index.ts'
import { doctor, maintain, migrateUp } from '../../../src/operate/index.ts'
import { everyWrite } from '../../support/everyWrite.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { migrateOnRung } from '../../support/migrateOnRung.ts'
import { actingAs, closeWithRoles, createRole, grantAll } from '../../support/role.ts'
import { dumpTools, type DumpTools } from '../../support/server/dump.ts'

const embedding = Array.from({ length: 1536 }, (_, index) => Math.sin(index))

describe.runIf(leg.available && leg.concurrent)('an installation restored from a dump', () => {
  let from: TestDatabase
  let to: TestDatabase
  let tools: DumpTools
  let owner: string
  beforeEach(async ({ skip }) => {
    const found = await dumpTools()
    if (found === null) return skip('pg_dump 17 cannot be had on this machine')
    tools = found
    from = await freshDatabase({ migrated: false })
    to = await freshDatabase({ migrated: false })
    owner = await createRole(from, 'owner')
  })
  afterEach(async () => {
    await closeWithRoles(to, [])
    await closeWithRoles(from, [owner])
  })

  const fill = async (db: Kysely<{}>) => {
    const scope = await tenant(db)
    for (const write of Object.values(everyWrite)) await write(scope)
    return scope
  }
  const counted = async (db: Kysely<{}>) => {
    const { rows } = await sql`
      select (select count(*) from metric_1m) as metrics, (select count(*) from metric_1h) as hours, (select count(*) from kb_chunk) as chunks,
        (select count(*) from topo_edge_time) as edges, (select count(*) from evidence_link) as evidence
    `.execute(db)
    return rows
  }
  const whole = async (db: Kysely<{}>) => {
    const { findings, drift } = await doctor(db)
    expect(drift).toEqual([])
    expect(findings.filter(({ severity }) => severity === 'error')).toEqual([])
    expect((await migrateUp(db)).ran).toEqual([])
    expect((await maintain(db)).steps.length).toBeGreaterThanOrEqual(0)
    const scope = await tenantScope(db, 't-001')
    expect(await searchKnowledge(scope, { embedding }).execute()).toHaveLength(2)
  }
  const asOwner = (test: TestDatabase) => {
    const url = new URL(test.url!)
    url.username = encodeURIComponent(owner)
    url.password = encodeURIComponent('a role of the tests')
    return url.href
  }

  it('is whole with native partitions, by a superuser', async () => {
    await migrateOnRung(from.db, 'native')
    await fill(from.db)
    await tools.copy(from.url!, to.url!)
    expect(await counted(to.db)).toEqual(await counted(from.db))
    await whole(to.db)
  })

  it('is whole with native partitions, by an owner who is no superuser', async () => {
    await grantAll(from, { role: 'owner', login: owner })
    await grantAll(to, { role: 'owner', login: owner })
    // Without TimescaleDB, as it has been since before anything was installed.
    for (const { db } of [from, to]) await sql`drop extension if exists timescaledb cascade`.execute(db)
    await actingAs(from, owner, async (db) => {
      await migrateOnRung(db, 'native')
      await migrateUp(db)
      await fill(db)
    })
    await tools.copy(asOwner(from), asOwner(to), { dump: ['--schema=public'], restore: ['--schema=public'] })
    expect(await counted(to.db)).toEqual(await counted(from.db))
    await actingAs(to, owner, async (db) => {
      await whole(db)
      // The graphs are not in the dump: they are made of what is.
      const scope = await tenantScope(db, 't-001')
      expect((await refreshCallGraph(scope, { now: new Date('2027-01-01'), window: '12000 days' })).edges.added).toBeGreaterThan(0)
    })
  })

  it('is whole with hypertables and graphs, by a superuser', async () => {
    await migrateUp(from.db)
    const scope = await fill(from.db)
    const window = { now: new Date('2027-01-01'), window: '12000 days' }
    await refreshCallGraph(scope, window)
    const edges = await activeCalls(await tenantScope(from.db, 't-001')).execute()
    await sql`create extension timescaledb`.execute(to.db)
    await sql`select timescaledb_pre_restore()`.execute(to.db)
    await tools.copy(from.url!, to.url!)
    await sql`select timescaledb_post_restore()`.execute(to.db)
    expect(await counted(to.db)).toEqual(await counted(from.db))
    await whole(to.db)
    const restored = await tenantScope(to.db, 't-001')
    expect(edges.length).toBeGreaterThan(0)
    expect(await activeCalls(restored).execute()).toEqual(edges)
    expect(await cypher(restored, { columns: { n: 'int4' } }, 'MATCH ()-[c:CALLS]->() RETURN count(c)').execute()).toEqual([
      { n: edges.length },
    ])
    expect((await refreshCallGraph(restored, window)).edges).toMatchObject({ added: 0, removed: 0 })
  })

  it('says of a graph that Apache AGE was not told of what to do, which then works', async () => {
    await migrateUp(from.db)
    const scope = await fill(from.db)
    const window = { now: new Date('2027-01-01'), window: '12000 days' }
    const { edges } = await refreshCallGraph(scope, window)
    // As after a restore that may not write to ag_catalog.
    await sql`delete from ag_catalog.ag_label`.execute(from.db)
    await sql`delete from ag_catalog.ag_graph`.execute(from.db)
    await expect(refreshCallGraph(scope, window)).rejects.toThrow('is not a graph that Apache AGE knows')
    await sql`select call_graph_drop(${scope.graphName})`.execute(from.db)
    expect((await refreshCallGraph(scope, window)).edges).toEqual(edges)
  })
})
