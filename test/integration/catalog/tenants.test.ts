import { randomUUID } from 'node:crypto'
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import { ensureResource } from '../../../src/catalog/resources.ts'
import { deleteTenant } from '../../../src/catalog/deleteTenant.ts'
import { ensureTenant, type TenantInput } from '../../../src/catalog/tenants.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { attachEvidence } from '../../../src/events/attachEvidence.ts'
import { recordEvent } from '../../../src/events/recordEvent.ts'
import { addDocuments } from '../../../src/knowledge/index.ts'
import { InvalidInputError, NotFoundError, VantageError } from '../../../src/schema/errors.ts'
import { recordTopology } from '../../../src/topology/recordTopology.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertCalls, insertMetrics, insertPatternCounts, insertPatterns } from '../../support/rows.ts'
import { insertSketches } from '../../support/sketches.ts'

const minutes = (count: number, step: number) => Array.from({ length: count }, (_, n) => new Date(Date.UTC(2026, 0, 1) + n * step * 60_000))

const tables = [
  'dim_resource',
  'oo_locator',
  'metric_1m',
  'metric_series',
  'service_call_5m',
  'log_pattern',
  'log_pattern_5m',
  'log_pattern_seen',
  'sketch_5m',
  'topo_edge_time',
  'topo_snapshot',
  'ingest_journal',
  'ingest_window',
  'ingest_clock',
  'ingest_file',
  'ingest_follower',
  'kb_doc',
  'kb_chunk',
  'kb_term',
  'kb_word',
  'kb_corpus',
  'kb_reembedding',
  'event_envelope',
  'evidence_link',
] as const

/** Rows in every table, over several chunks or partitions of the rollups. */
async function fill(scope: Scope): Promise<void> {
  await ensureResource(scope, { urn: 'urn:a', type: 'service', name: 'a' })
  await ensureResource(scope, { urn: 'urn:b', type: 'service', name: 'b' })
  const { rows } = await sql<{ id: string }>`
    insert into ${scope.id('oo_locator')} (tenant_id, dataset, bucket, object_key, t_from, t_to)
    select ${scope.tenantId}::int8, 'logs', 'raw', n::text, now(), now() from generate_series(1, 30) as n returning id::text
  `.execute(scope.db)
  await insertMetrics(
    scope,
    minutes(40, 1440).map((bucket) => ({ bucket, resource: 'urn:a', metric: 'cpu', samples: [1, 2] })),
  )
  await insertCalls(
    scope,
    minutes(30, 7 * 1440).map((bucket) => ({ bucket, src: 'urn:a', dst: 'urn:b', latencies: [1, 2] })),
  )
  await sql`update ${scope.id('service_call_5m')} set sample_ref = ${rows[0]!.id}::int8 where tenant_id = ${scope.tenantId}::int8`.execute(
    scope.db,
  )
  const [fingerprint_id] = await insertPatterns(scope, [{ pattern: 'failed' }])
  await insertPatternCounts(
    scope,
    minutes(20, 1440).map((bucket) => ({ bucket, resource: 'urn:a', fingerprint_id: fingerprint_id!, count_total: 1 })),
  )
  await insertSketches(
    scope,
    minutes(20, 1440).map((bucket) => ({ bucket, resource: 'urn:a', dimension: 'user', items: ['ada'] })),
  )
  await recordTopology(scope, [{ from: 'urn:a', to: 'urn:b' }], { at: new Date(), relation: 'calls', source: 'tracing' })
  await addDocuments(scope, [
    { source: 's', title: 't', chunks: [{ context: '', content: 'disk', embedding: Array<number>(1536).fill(1) }] },
  ])
  await sql`
    insert into ${scope.id('kb_reembedding')} (tenant_id, chunk_id, fingerprint, embedding)
    select tenant_id, chunk_id, ''::bytea, array[1]::real[] from ${scope.id('kb_chunk')} where tenant_id = ${scope.tenantId}::int8
  `.execute(scope.db)
  const of = sql`${scope.tenantId}::int8, 'logs', timestamptz '2026-01-01 00:00:00+00'`
  await sql`
    insert into ${scope.id('ingest_journal')} (tenant_id, dataset, window_start, digest, requests, records, payload)
    values (${of}, gen_random_uuid(), '{}', 1, 'x')
  `.execute(scope.db)
  await sql`insert into ${scope.id('ingest_window')} (tenant_id, dataset, window_start, resource, last_part, horizon_ms) values (${of}, 'urn:a', 1, 1)`.execute(
    scope.db,
  )
  await sql`insert into ${scope.id('ingest_clock')} (tenant_id, dataset, clock, resource) values (${of}, 'urn:a')`.execute(scope.db)
  await sql`
    with follower as (
      insert into ${scope.id('ingest_follower')} (tenant_id, node, label, alive_until) values (${scope.tenantId}::int8, 'n', 'l', now())
      returning follower_id
    )
    insert into ${scope.id('ingest_file')} (tenant_id, node, path, inode, head_bytes, head, follower_id)
    select ${scope.tenantId}::int8, 'n', '/a', '1:2', 1, gen_random_uuid(), follower_id from follower
  `.execute(scope.db)
  const event = await recordEvent(scope, { severity: 'INFO', kind: 'deploy', title: 't', resource: 'urn:a' })
  await attachEvidence(scope, { eventId: event, evidence: [{ dim: 'log', refOo: rows[0]!.id }] })
}

async function counts(db: Kysely<{}>, tenantId: string): Promise<Record<string, number>> {
  const { rows } = await sql<{ name: string; count: number }>`
    ${sql.join(
      tables.map(
        (name) => sql`select ${sql.lit(name)} as name, count(*)::int4 as count from ${sql.id(name)} where tenant_id = ${tenantId}::int8`,
      ),
      sql` union all `,
    )}
  `.execute(db)
  return Object.fromEntries(rows.map(({ name, count }) => [name, count]))
}

const filled = {
  dim_resource: 2,
  oo_locator: 30,
  metric_1m: 40,
  metric_series: 1,
  service_call_5m: 30,
  log_pattern: 1,
  log_pattern_5m: 20,
  log_pattern_seen: 1,
  sketch_5m: 20,
  topo_edge_time: 1,
  topo_snapshot: 1,
  ingest_journal: 1,
  ingest_window: 1,
  ingest_clock: 1,
  ingest_file: 1,
  ingest_follower: 1,
  kb_doc: 1,
  kb_chunk: 1,
  kb_term: 1,
  kb_word: 1,
  kb_corpus: 1,
  kb_reembedding: 1,
  event_envelope: 1,
  evidence_link: 1,
}
const empty = Object.fromEntries(tables.map((name) => [name, 0]))

const rolledUp = {
  metric_1h: 0,
  metric_1d: 0,
  service_call_1h: 0,
  service_call_1d: 0,
  log_pattern_1h: 0,
  log_pattern_1d: 0,
  sketch_1h: 0,
  sketch_1d: 0,
}

onEveryLeg('tenants', () => {
  let test: TestDatabase
  let code: string
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())
  beforeEach(() => {
    code = randomUUID()
  })
  const row = async (of: string) =>
    (await sql<{ name: string; labels: unknown }>`select name, labels from dim_tenant where code = ${of}`.execute(test.db)).rows[0]

  it('ensureTenant creates once, and afterwards changes what is given', async () => {
    const id = await ensureTenant(test.db, { code })
    expect(await row(code)).toEqual({ name: code, labels: {} })
    expect(await ensureTenant(test.db, { code, name: 'Shop', labels: { tier: 1 } })).toBe(id)
    expect(await ensureTenant(test.db, { code })).toBe(id)
    expect(await row(code)).toEqual({ name: 'Shop', labels: { tier: 1 } })
    expect(await ensureTenant(test.db, { code, labels: {} })).toBe(id)
    expect(await row(code)).toEqual({ name: 'Shop', labels: {} })
  })

  it.each([
    [{ name: '' }, 'name: must not be empty'],
    [{ name: 'a\u0000' }, 'name: must not contain the NUL'],
    [{ code: 'x'.repeat(256) }, 'code: must be at most 255 bytes'],
    [{ labels: { a: '\ud800' } }, 'labels.a: '],
    [{ labels: [] }, 'labels: '],
    [{ colour: 'red' }, 'options: '],
  ])('ensureTenant refuses %j by name', async (wrong, message) => {
    const ensuring = ensureTenant(test.db, { code, ...wrong } as TenantInput)
    await expect(ensuring).rejects.toThrow(InvalidInputError)
    await expect(ensuring).rejects.toThrow(message)
    expect(await row(code)).toBeUndefined()
  })

  it.skipIf(!leg.concurrent)('ensureTenant makes one tenant of twenty calls at once', async () => {
    const ids = await Promise.all(Array.from({ length: 20 }, () => ensureTenant(test.db, { code })))
    expect(new Set(ids).size).toBe(1)
  })

  it.each([1, 7, 10_000])('deleteTenant deletes everything of it, and nothing of another, %i rows at a time', async (batch) => {
    const scope = await tenant(test.db, code)
    const other = await tenant(test.db, `${code} other`)
    await fill(scope)
    await fill(other)
    expect(await counts(test.db, scope.tenantId)).toEqual(filled)
    const steps: { table: string; deleted: number }[] = []
    const deleted = await deleteTenant(test.db, code, { batch, onProgress: (progress) => steps.push(progress) })
    expect(deleted).toEqual({ ...filled, ...rolledUp, dim_tenant: 1 })
    expect(await counts(test.db, scope.tenantId)).toEqual(empty)
    expect(await counts(test.db, other.tenantId)).toEqual(filled)
    await expect(tenantScope(test.db, code)).rejects.toThrow(NotFoundError)
    const perTable = new Map<string, number>()
    for (const { table, deleted: total } of steps) {
      expect(total - (perTable.get(table) ?? 0)).toBeLessThanOrEqual(batch)
      perTable.set(table, total)
    }
    expect(Object.fromEntries(perTable)).toEqual({ ...filled, dim_tenant: 1 })
  })

  it('deleteTenant deletes what has been rolled up and compressed as well', async () => {
    const scope = await tenant(test.db, code)
    const other = await tenant(test.db, `${code} other`)
    await fill(scope)
    await fill(other)
    if (leg.name === 'community') {
      await sql`alter table metric_1m set (timescaledb.enable_columnstore, timescaledb.segmentby = 'series_id, tenant_id', timescaledb.orderby = 'bucket')`.execute(
        test.db,
      )
      await sql`select compress_chunk(chunk, if_not_compressed => true) from show_chunks('metric_1m') as chunk`.execute(test.db)
      await sql`call refresh_continuous_aggregate('metric_1h', null, null)`.execute(test.db)
    } else {
      await sql`insert into metric_1h_stored (bucket, tenant_id, resource_id, metric, labels, series_id) select bucket, tenant_id, resource_id, metric, labels, series_id from metric_1h`.execute(
        test.db,
      )
      await sql`update pgvantage_time_table set rolled_until = 'infinity' where name = 'metric_1h'`.execute(test.db)
    }
    const hours = async (of: string) =>
      (await sql<{ count: number }>`select count(*)::int4 as count from metric_1h where tenant_id = ${of}`.execute(test.db)).rows[0]!.count
    const before = await hours(other.tenantId)
    expect(before).toBeGreaterThan(0)
    expect(await hours(scope.tenantId)).toBe(before)
    expect(await deleteTenant(test.db, code, { batch: 7 })).toMatchObject({ metric_1m: filled.metric_1m, metric_1h: before })
    expect(await hours(scope.tenantId)).toBe(0)
    expect(await hours(other.tenantId)).toBe(before)
    expect(await counts(test.db, other.tenantId)).toEqual(filled)
  })

  it('deleteTenant that was interrupted goes on when it is called again', async () => {
    const scope = await tenant(test.db, code)
    await fill(scope)
    const controller = new AbortController()
    const reason = new Error('enough')
    const interrupted = deleteTenant(test.db, code, {
      batch: 5,
      signal: controller.signal,
      onProgress: ({ table }) => {
        if (table === 'metric_1m') controller.abort(reason)
      },
    })
    await expect(interrupted).rejects.toThrow(reason)
    const left = await counts(test.db, scope.tenantId)
    // A batch of five, or what lay in one chunk.
    expect(left.metric_1m).toBeGreaterThan(0)
    expect(left.metric_1m).toBeLessThan(40)
    expect(left).toMatchObject({ evidence_link: 0, service_call_5m: 0, dim_resource: 2 })
    expect(await deleteTenant(test.db, code)).toMatchObject({
      service_call_5m: 0,
      metric_1m: left.metric_1m,
      dim_resource: 2,
      dim_tenant: 1,
    })
    expect(await counts(test.db, scope.tenantId)).toEqual(empty)
  })

  it('deleteTenant says so when others write for the tenant meanwhile, and can be repeated', async () => {
    const scope = await tenant(test.db, code)
    await fill(scope)
    let written = Promise.resolve<unknown>(undefined)
    const deleting = deleteTenant(test.db, code, {
      onProgress: ({ table }) => {
        if (table !== 'dim_resource') return
        // On one connection it runs before the next statement; on several it may also come too late, and be refused.
        written = ensureResource(scope, { urn: 'urn:late', type: 'service', name: 'late' }).catch(() => {})
      },
    })
    const outcome = await deleting.then(
      () => 'deleted',
      (error: unknown) => error,
    )
    await written
    if (outcome !== 'deleted') {
      expect(outcome).toBeInstanceOf(VantageError)
      expect(outcome).toMatchObject({ message: expect.stringContaining('stop what writes them') })
      await deleteTenant(test.db, code)
    }
    expect(await counts(test.db, scope.tenantId)).toEqual(empty)
  })

  it.each([
    ['nobody', {}, 'there is no tenant with code "nobody"'],
    ["'; drop table dim_tenant; --", {}, 'there is no tenant with code'],
    ['nobody', { batch: 0 }, 'batch: '],
    ['nobody', { batch: 1.5 }, 'batch: '],
    ['', {}, 'code: must not be empty'],
    ['a\u0000', {}, 'code: must not contain the NUL'],
  ])('deleteTenant refuses the code %j with %j', async (wrong, options, message) => {
    await expect(deleteTenant(test.db, wrong, options)).rejects.toThrow(message)
  })

  it.skipIf(!leg.concurrent)('deleteTenant twice at once deletes it once', async () => {
    const scope = await tenant(test.db, code)
    await fill(scope)
    const both = await Promise.allSettled([deleteTenant(test.db, code, { batch: 3 }), deleteTenant(test.db, code, { batch: 3 })])
    expect(both.some(({ status }) => status === 'fulfilled')).toBe(true)
    expect(await counts(test.db, scope.tenantId)).toEqual(empty)
  })
})
