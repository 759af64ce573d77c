import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { activeCalls } from '../../../src/calls/activeCalls.ts'
import { refreshCallGraph } from '../../../src/calls/refreshCallGraph.ts'
import { verifyCallGraph } from '../../../src/calls/verifyCallGraph.ts'
import { deleteTenant } from '../../../src/catalog/deleteTenant.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { MissingCapabilityError, NotFoundError } from '../../../src/schema/errors.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, insertCalls } from '../../support/rows.ts'
import { grantAll } from '../../support/role.ts'

const nothing = { added: 0, changed: 0, removed: 0 }

onEveryLeg('refreshCallGraph', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())

  const edges = async (scope: Scope) => {
    const rows = await activeCalls(scope).execute()
    const urns = await scope.db
      .selectFrom(scope.table('dim_resource', 'r'))
      .select(['r.resource_id', 'r.urn'])
      .where('r.tenant_id', '=', scope.tenantId)
      .execute()
    const name = new Map(urns.map((row) => [row.resource_id, row.urn]))
    return rows
      .map(({ src, dst, ...row }) => ({ edge: `${name.get(src)} > ${name.get(dst)}`, ...row }))
      .sort((a, b) => (a.edge < b.edge ? -1 : 1))
  }

  it.skipIf(leg.age)('says what is missing and what works without it', async () => {
    const scope = await tenant(test.db, 'without-age')
    await expect(refreshCallGraph(scope)).rejects.toThrow(MissingCapabilityError)
    await expect(refreshCallGraph(scope)).rejects.toThrow('traverse callsDuring')
    expect(() => activeCalls(scope)).toThrow('callsDuring')
  })

  it.skipIf(!leg.age)('holds the calls of the window, with rates over its buckets and percentiles of all of them', async () => {
    const scope = await tenant(test.db, 'window')
    expect(await activeCalls(scope).execute()).toEqual([])
    await insertCalls(scope, [
      { bucket: at('09:45'), src: 'a', dst: 'old', latencies: [1] },
      { bucket: at('09:50'), src: 'a', dst: 'b', latencies: [10, 20, 30], error_count: 1 },
      { bucket: at('09:55'), src: 'a', dst: 'b', latencies: [100, 200, 300], error_count: 2 },
      { bucket: at('09:55'), src: 'b', dst: 'c', latencies: [7] },
      { bucket: at('10:05'), src: 'a', dst: 'later', latencies: [1] },
    ])
    expect(await refreshCallGraph(scope, { now: at('10:00') })).toEqual({
      vertices: { ...nothing, added: 3 },
      edges: { ...nothing, added: 2 },
    })
    const [ab, bc] = await edges(scope)
    expect(ab).toMatchObject({
      edge: 'a > b',
      rps: 6 / 600,
      weight: 6 / 600,
      err_rate: 0.5,
      first_seen: at('09:50'),
      last_seen: at('09:55'),
    })
    expect(Math.abs(ab!.p50_ms! / 30 - 1)).toBeLessThan(0.0109)
    expect(Math.abs(ab!.p95_ms! / 300 - 1)).toBeLessThan(0.0109)
    expect(bc).toMatchObject({ edge: 'b > c', rps: 1 / 600, err_rate: 0, p50_ms: 7, p95_ms: 7 })
  })

  it.skipIf(!leg.age)('agrees with the merged histograms edge by edge, whatever the buckets hold', async () => {
    const scope = await tenant(test.db, 'merged')
    const random = (seed: number) => ((seed * 2_654_435_761) % 4_294_967_296) / 4_294_967_296
    const latencies = (seed: number) =>
      Array.from({ length: 1 + Math.floor(random(seed) * 30) }, (_, i) => 10 ** (random(seed + i) * 8 - 3) * (i === 3 ? 0 : 1))
    await insertCalls(
      scope,
      Array.from({ length: 60 }, (_, i) => ({
        bucket: i % 2 ? at('09:50') : at('09:55'),
        src: 'a',
        dst: `d${i >> 1}`,
        latencies: latencies(i + 1),
      })),
    )
    // Written by somebody who keeps no histograms: its percentiles stand for its calls.
    await insertCalls(scope, [
      { bucket: at('09:50'), src: 'b', dst: 'foreign', call_count: 10, p50_ms: 10, p95_ms: 100 },
      { bucket: at('09:55'), src: 'b', dst: 'foreign', call_count: 30, p50_ms: 40, p95_ms: 400 },
    ])
    await refreshCallGraph(scope, { now: at('10:00') })
    const { rows } = await sql<{ edge: string; p50: number; p95: number }>`
      select s.urn || ' > ' || d.urn as edge, exp_histogram_quantile(merged, 0.5) as p50, exp_histogram_quantile(merged, 0.95) as p95
      from (
        select src_resource_id as src, dst_resource_id as dst, exp_histogram_merge(coalesce(histogram, exp_histogram(p50_ms, 1))) as merged
        from service_call_5m where tenant_id = ${scope.tenantId} group by 1, 2
      ) as call
      join dim_resource as s on s.resource_id = src
      join dim_resource as d on d.resource_id = dst
      where s.urn = 'a'
    `.execute(test.db)
    const found = await edges(scope)
    expect(
      found.filter(({ edge }) => edge.startsWith('a')).map(({ edge, p50_ms, p95_ms }) => ({ edge, p50: p50_ms, p95: p95_ms })),
    ).toEqual(rows.sort((one, other) => (one.edge < other.edge ? -1 : 1)))
    expect(rows).toHaveLength(30)
    const foreign = found.find(({ edge }) => edge === 'b > foreign')!
    expect(Math.abs(foreign.p50_ms! / 40 - 1)).toBeLessThan(0.0109)
    expect(Math.abs(foreign.p95_ms! / 400 - 1)).toBeLessThan(0.0109)
  })

  it.skipIf(!leg.age)('changes nothing the second time; then lets edges go, keeps first_seen and writes only what differs', async () => {
    const scope = await tenant(test.db, 'again')
    await insertCalls(scope, [
      { bucket: at('09:50'), src: 'a', dst: 'b', latencies: [10, 20] },
      { bucket: at('09:50'), src: 'a', dst: 'gone', latencies: [10] },
      { bucket: at('09:55'), src: 'b', dst: 'c', latencies: [0.1, 0.2, 0.7], error_count: 1 },
    ])
    await refreshCallGraph(scope, { now: at('10:00') })
    const before = await edges(scope)
    expect(await refreshCallGraph(scope, { now: at('10:00') })).toEqual({ vertices: nothing, edges: nothing })
    expect(await edges(scope)).toEqual(before)
    await insertCalls(scope, [{ bucket: at('10:00'), src: 'a', dst: 'b', latencies: [30, 40] }])
    expect(await refreshCallGraph(scope, { now: at('10:05') })).toEqual({
      vertices: { ...nothing, removed: 1 },
      edges: { added: 0, changed: 1, removed: 1 },
    })
    const [ab, bc, ...rest] = await edges(scope)
    expect(rest).toEqual([])
    expect(ab).toMatchObject({ edge: 'a > b', p95_ms: 40, first_seen: at('09:50'), last_seen: at('10:00') })
    expect(bc).toEqual(before[2])
    expect(await refreshCallGraph(scope, { now: at('12:00') })).toEqual({
      vertices: { ...nothing, removed: 3 },
      edges: { ...nothing, removed: 2 },
    })
    expect(await activeCalls(scope).execute()).toEqual([])
  })

  it.skipIf(!leg.age)('takes late rows for what they are, also those of before an edge was first seen', async () => {
    const scope = await tenant(test.db, 'late')
    await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [10, 20] }])
    await refreshCallGraph(scope, { now: at('10:00') })
    await insertCalls(scope, [{ bucket: at('09:50'), src: 'a', dst: 'b', latencies: [10, 20] }])
    expect((await refreshCallGraph(scope, { now: at('10:00') })).edges).toEqual({ ...nothing, changed: 1 })
    expect(await edges(scope)).toMatchObject([{ first_seen: at('09:50'), last_seen: at('09:55') }])
    // What the window has forgotten the graph remembers.
    await refreshCallGraph(scope, { window: '5 minutes', now: at('10:00') })
    expect(await edges(scope)).toMatchObject([{ first_seen: at('09:50'), last_seen: at('09:55') }])
  })

  it.skipIf(!leg.age)('has no property for what nobody measured', async () => {
    const scope = await tenant(test.db, 'unmeasured')
    await insertCalls(scope, [
      { bucket: at('09:50'), src: 'a', dst: 'b', call_count: 3, p50_ms: null, p95_ms: null },
      { bucket: at('09:55'), src: 'a', dst: 'b', call_count: 0, rps: 2, err_rate: null, p50_ms: null, p95_ms: null },
      { bucket: at('09:55'), src: 'a', dst: 'c', call_count: 0, rps: 2, err_rate: null, p50_ms: 5, p95_ms: null },
      { bucket: at('09:55'), src: 'a', dst: 'nobody', call_count: 0, rps: 0, p50_ms: 5 },
    ])
    await refreshCallGraph(scope, { now: at('10:00') })
    expect(await edges(scope)).toMatchObject([
      { edge: 'a > b', rps: 3 / 600, err_rate: 0, p50_ms: null, p95_ms: null },
      { edge: 'a > c', rps: 1, err_rate: null, p50_ms: 5, p95_ms: null },
    ])
    const { rows } = await sql<{ text: string }>`
      select ag_catalog.agtype_out(properties)::text as text from ${sql.id(scope.graphName, 'CALLS')}
    `.execute(test.db)
    expect(rows.filter(({ text }) => text.includes('null'))).toEqual([])
  })

  it.skipIf(!leg.age)('stops between its steps when told to, and leaves the graph as it was', async () => {
    const scope = await tenant(test.db, 'signal')
    await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [1] }])
    await expect(refreshCallGraph(scope, { now: at('10:00'), signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(await activeCalls(scope).execute()).toEqual([])
  })

  it.skipIf(!leg.age)('takes any name as data, and follows a rename', async () => {
    const scope = await tenant(test.db, `hostile '"$$`)
    const urns = [`'; drop table dim_resource; --`, '$$) as (a agtype)', '"', '\\', '🦊', '{"a": 1}', 'x'.repeat(1024)]
    await insertCalls(
      scope,
      urns.map((dst) => ({ bucket: at('09:55'), src: 'a', dst, latencies: [1] })),
    )
    expect((await refreshCallGraph(scope, { now: at('10:00') })).edges.added).toBe(urns.length)
    const { rows } = await sql<{ urn: string }>`
      select ag_catalog.agtype_object_field_text(properties, 'urn') as urn from ${sql.id(scope.graphName, 'Resource')}
    `.execute(test.db)
    expect(new Set(rows.map(({ urn }) => urn))).toEqual(new Set(['a', ...urns]))
    await sql`update ${scope.id('dim_resource')} set name = ${'🦊'.repeat(2500)} where tenant_id = ${scope.tenantId} and urn = 'a'`.execute(
      test.db,
    )
    expect(await refreshCallGraph(scope, { now: at('10:00') })).toEqual({ vertices: { ...nothing, changed: 1 }, edges: nothing })
  })

  it.skipIf(!leg.age)('keeps tenants apart, also when one is deleted', async () => {
    const [one, two] = [await tenant(test.db, 'one'), await tenant(test.db, 'two')]
    for (const scope of [one, two])
      await insertCalls(scope, [{ bucket: at('09:55'), src: `${scope.tenantCode}-a`, dst: 'b', latencies: [1] }])
    await refreshCallGraph(one, { now: at('10:00') })
    expect(await activeCalls(two).execute()).toEqual([])
    await refreshCallGraph(two, { now: at('10:00') })
    expect((await edges(two)).map(({ edge }) => edge)).toEqual(['two-a > b'])
    await deleteTenant(test.db, 'one')
    expect((await edges(two)).map(({ edge }) => edge)).toEqual(['two-a > b'])
    const { rows } = await sql`select from pg_namespace where nspname = ${one.graphName}`.execute(test.db)
    expect(rows).toEqual([])
  })

  it.skipIf(!leg.age)('makes no graph for a tenant that is gone', async () => {
    const scope = await tenant(test.db, 'gone')
    await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [1] }])
    await deleteTenant(test.db, 'gone')
    await expect(refreshCallGraph(scope, { now: at('10:00') })).rejects.toThrow(NotFoundError)
    await expect(refreshCallGraph(scope, { now: at('10:00') })).rejects.toThrow('tenant "gone" was deleted after its scope was made')
    expect((await sql`select from pg_namespace where nspname = ${scope.graphName}`.execute(test.db)).rows).toEqual([])
  })

  it.skipIf(!leg.concurrent)('leaves no graph of a tenant that is deleted meanwhile', async () => {
    for (const attempt of [0, 1, 2, 3, 4, 5]) {
      const scope = await tenant(test.db, `doomed-${attempt}`)
      await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [1] }])
      let busy = true
      const deleted = deleteTenant(test.db, scope.tenantCode).finally(() => {
        busy = false
      })
      const refresh = () => refreshCallGraph(scope, { now: at('10:00') })
      while (busy) await refresh().catch((error: unknown) => expect(error).toBeInstanceOf(NotFoundError))
      expect(await deleted).toMatchObject({ dim_tenant: 1 })
      expect((await sql`select from pg_namespace where nspname = ${scope.graphName}`.execute(test.db)).rows).toEqual([])
    }
  })

  it.skipIf(!leg.age)('belongs to the transaction its scope was made from', async () => {
    const scope = await tenant(test.db, 'transaction')
    await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [1] }])
    await test.db
      .transaction()
      .execute(async (trx) => {
        await refreshCallGraph(await tenantScope(trx, 'transaction'), { now: at('10:00') })
        throw new Error('undo')
      })
      .catch(() => {})
    expect(await activeCalls(scope).execute()).toEqual([])
  })

  it.skipIf(!leg.age)('is Cypher to whoever has AGE', async () => {
    const scope = await tenant(test.db, 'cypher')
    await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [1, 2, 3] }])
    await refreshCallGraph(scope, { now: at('10:00') })
    const { rows } = await test.db.connection().execute(async (db) => {
      if (leg.name === 'server') await sql`load 'age'`.execute(db)
      await sql`set search_path = ag_catalog, public`.execute(db)
      try {
        return await sql<{ urn: string; rps: string }>`
          select * from cypher(${sql.lit(scope.graphName)}, $$
            match (a:Resource {urn: 'a'})-[c:CALLS]->(b:Resource) return b.urn, c.rps
          $$) as (urn text, rps float8)
        `.execute(db)
      } finally {
        await sql`set search_path = public`.execute(db)
      }
    })
    expect(rows).toEqual([{ urn: 'b', rps: 0.01 }])
  })

  it.skipIf(!leg.concurrent)('is whole at every moment and harmless twice at once', async () => {
    const scope = await tenant(test.db, 'concurrent')
    const [even, odd] = [at('08:00'), at('09:00')]
    const rows = (bucket: Date, names: string[]) => names.map((dst) => ({ bucket, src: 'a', dst, latencies: [1] }))
    await insertCalls(scope, [...rows(even, ['b', 'c', 'd', 'e']), ...rows(odd, ['f', 'g', 'h', 'i', 'j'])])
    let busy = true
    const refreshes = Promise.all(
      Array.from({ length: 24 }, (_, index) => refreshCallGraph(scope, { now: index % 2 === 0 ? even : odd })),
    ).finally(() => {
      busy = false
    })
    const sizes = new Set<string>()
    const size = async () => {
      const { rows } = await sql<{ size: string }>`
        select count(distinct edge.src || ' ' || edge.dst) || ' edges, ' || (select count(*) from graph_vertices(${scope.graphName})) || ' vertices' as size
        from (${activeCalls(scope)}) as edge
      `.execute(test.db)
      return rows[0]!.size
    }
    while (busy) sizes.add(await size())
    await refreshes
    const whole = ['4 edges, 5 vertices', '5 edges, 6 vertices']
    expect([...sizes].filter((each) => !['0 edges, 0 vertices', ...whole].includes(each))).toEqual([])
    expect(whole).toContain(await size())
  })

  it.skipIf(!leg.concurrent)('killed in the middle leaves the graph as it was; nobody waits for it but the same tenant’s', async () => {
    const [scope, other] = [await tenant(test.db, 'killed'), await tenant(test.db, 'bystander')]
    const calls = (bucket: Date) => ['b', 'c', 'd'].map((dst) => ({ bucket, src: 'a', dst, latencies: [1, bucket.getTime() % 7, 3] }))
    for (const each of [scope, other]) await insertCalls(each, [...calls(at('09:00')), ...calls(at('10:00'))])
    await refreshCallGraph(scope, { now: at('09:00') })
    const made = await tenantScope(test.db, 'killed')
    const before = await edges(made)
    const victim = connect({ connectionString: test.url!, max: 1 })
    const { rows } = await sql<{ pid: number }>`select pg_backend_pid() as pid`.execute(victim)
    const { pid } = rows[0]!
    await test.db.transaction().execute(async (holder) => {
      // The refresh comes to this edge in the middle of its statement, and waits.
      await sql`
        select from ${sql.id(made.graphName, 'CALLS')} order by id desc limit 1 for update
      `.execute(holder)
      const refreshed = refreshCallGraph(await tenantScope(victim, 'killed'), { now: at('10:00') }).then(
        () => 'done',
        (error: unknown) => error,
      )
      const waits = async () =>
        (await sql<{ waits: boolean }>`select wait_event_type = 'Lock' as waits from pg_stat_activity where pid = ${pid}`.execute(test.db))
          .rows[0]?.waits
      while (!(await waits())) await new Promise((resolve) => setTimeout(resolve, 10))
      expect(await edges(made)).toEqual(before)
      expect((await refreshCallGraph(other, { now: at('10:00') })).edges.added).toBe(3)
      await sql`select pg_terminate_backend(${pid})`.execute(test.db)
      expect(await refreshed).toBeInstanceOf(Error)
    })
    await victim.destroy()
    expect(await edges(made)).toEqual(before)
    expect((await refreshCallGraph(made, { now: at('10:00') })).edges).toEqual({ ...nothing, changed: 3 })
  })

  it.skipIf(!leg.concurrent)('needs no superuser and nothing of the session', async () => {
    const scope = await tenant(test.db, 'plain')
    await insertCalls(scope, [{ bucket: at('09:55'), src: 'a', dst: 'b', latencies: [1] }])
    const url = new URL(test.url!)
    const role = `plain_${url.pathname.slice(1, 20)}`
    await sql`create role ${sql.id(role)} login password 'plain'`.execute(test.db)
    await grantAll(test, { role: 'refresher', login: role })
    url.username = role
    url.password = 'plain'
    const db = connect(url.href)
    try {
      const plain = await tenantScope(db, 'plain')
      expect((await refreshCallGraph(plain, { now: at('10:00') })).edges.added).toBe(1)
      expect(await activeCalls(plain).execute()).toHaveLength(1)
      expect(await verifyCallGraph(plain, { now: at('10:00') }).execute()).toEqual([])
      // A connection on which nothing of AGE has been used yet.
      const fresh = connect(url.href)
      try {
        const reader = await tenantScope(fresh, 'plain')
        expect(reader.graphMade).toBe(true)
        expect(await activeCalls(reader).where('rps', '>', 0).execute()).toHaveLength(1)
      } finally {
        await fresh.destroy()
      }
    } finally {
      await sql`select ${scope.id('call_graph_drop')}(${scope.graphName})`.execute(db)
      await db.destroy()
      await sql`drop owned by ${sql.id(role)} cascade`.execute(test.db)
      await sql`drop role ${sql.id(role)}`.execute(test.db)
    }
  })

  it.skipIf(!leg.age)('refuses what is no window', async () => {
    const scope = await tenant(test.db, 'window')
    await expect(refreshCallGraph(scope, { window: 'a while' })).rejects.toThrow(/^window: .*"a while"/)
    await expect(refreshCallGraph(scope, { now: new Date(Number.NaN) })).rejects.toThrow(/^now: /)
  })
})
