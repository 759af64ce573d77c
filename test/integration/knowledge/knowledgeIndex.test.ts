import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { searchKnowledge } from '../../../src/knowledge/search/searchKnowledge.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { apartFromTime, freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'

const dimensions = 8
/** Just enough for the largest tenant to have more than what is compared one by one; the index is slow to build in process. */
const chunks = leg.name === 'server' ? 14_000 : 6_500

apartFromTime('searchKnowledge over the index', () => {
  let test: TestDatabase
  let large: Scope
  let small: Scope
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    await migrateUp(test.db, { embeddingDimension: dimensions })
    large = await tenant(test.db, 'large')
    const other = await tenant(test.db, 'other')
    small = await tenant(test.db, 'small')
    for (const { tenantId, db } of [large, other, small])
      await sql`insert into kb_doc (tenant_id, source, title) values (${tenantId}::int8, 's', 't')`.execute(db)
    // Built afterwards, the very same index takes a tenth of the time.
    const { rows: built } = await sql<{ sql: string }>`select pg_get_indexdef('idx_kb_vec_hnsw'::regclass) as sql`.execute(test.db)
    await sql`drop index idx_kb_vec_hnsw`.execute(test.db)
    // Neighbours of every tenant side by side: the index is full of what a search must not find.
    await sql`
      insert into kb_chunk (tenant_id, doc_id, chunk_idx, content, embedding, metadata)
      select doc.tenant_id, doc.doc_id, n, n::text, array(
        select ('x' || substr(md5(n || '-' || d), 1, 8))::bit(32)::int8 / 4294967296.0 from generate_series(1, ${sql.lit(dimensions)}) as d
      )::float4[], jsonb_build_object('part', n % 100, 'most', n % 20 > 1, 'fifth', n % 5 = 0)
      from generate_series(1, ${sql.lit(chunks)}) as n
      join kb_doc as doc on doc.tenant_id = case
        when n % 350 = 0 then ${small.tenantId}::int8 when n % 7 = 0 then ${other.tenantId}::int8 else ${large.tenantId}::int8
      end
    `.execute(test.db)
    await sql.raw(built[0]!.sql).execute(test.db)
    await sql`analyze kb_chunk`.execute(test.db)
  }, 240_000)
  afterAll(() => test.close())

  const queries = Array.from({ length: 20 }, (_, q) => Array.from({ length: dimensions }, (_, n) => ((q * 7 + n * 13 + q * n) % 31) / 31))

  /** What is nearest by comparing every one. */
  async function nearest(scope: Scope, query: readonly number[], limit: number, metadata = {}): Promise<string[]> {
    const { rows } = await sql<{ id: string }>`
      select chunk_id::text as id from kb_chunk
      where tenant_id = ${scope.tenantId}::int8 and metadata @> ${JSON.stringify(metadata)}::jsonb
      order by (embedding <-> ${`[${query.join(',')}]`}::vector) + 0, chunk_id limit ${limit}
    `.execute(scope.db)
    return rows.map(({ id }) => id)
  }

  async function recall(scope: Scope, limit: number, metadata?: Record<string, number | boolean>): Promise<number> {
    let hits = 0
    for (const embedding of queries) {
      const rows = await searchKnowledge(scope, { embedding, limit, where: metadata && { metadata } }).execute()
      expect(rows).toHaveLength(limit)
      expect(rows.map(({ distance }) => distance)).toEqual(rows.map(({ distance }) => distance).toSorted((a, b) => a! - b!))
      const exact = new Set(await nearest(scope, embedding, limit, metadata))
      hits += rows.filter(({ chunk_id }) => exact.has(chunk_id)).length
    }
    return hits / (limit * queries.length)
  }

  it('finds as many as were asked for, nearly always the nearest', async () => {
    expect(await recall(large, 10)).toBeGreaterThan(0.97)
    expect(await recall(large, 10, { most: true })).toBeGreaterThan(0.97)
  })

  it('is exact where few pass the filters: a small tenant, a rare label', async () => {
    expect(await recall(small, 10)).toBe(1)
    expect(await recall(large, 10, { part: 7 })).toBe(1)
  })

  it('is exact where the index has not enough to give, also where nobody has counted the chunks', async () => {
    const [embedding] = queries as [number[]]
    const metadata = { fifth: true }
    const found = await test.db.transaction().execute(async (trx) => {
      await sql`update pg_class set reltuples = -1 where oid = 'kb_chunk'::regclass`.execute(trx)
      await sql`set local hnsw.max_scan_tuples = 1`.execute(trx)
      return searchKnowledge(await tenantScope(trx, 'large'), { embedding, limit: 1000, where: { metadata } }).execute()
    })
    expect(found.map(({ chunk_id }) => chunk_id)).toEqual(await nearest(large, embedding, 1000, metadata))
  })

  it('goes through the index for many candidates and only then, whatever the session is set to, and leaves its settings alone', async () => {
    const [embedding] = queries as [number[]]
    await test.db.transaction().execute(async (trx) => {
      await sql`set local enable_indexscan = on`.execute(trx)
      await sql`set local hnsw.iterative_scan = 'relaxed_order'`.execute(trx)
      await sql`set local search_path = pg_catalog`.execute(trx)
      const scans = async () =>
        (await sql<{ scans: number }>`select pg_stat_get_xact_numscans('public.idx_kb_vec_hnsw'::regclass)::int4 as scans`.execute(trx))
          .rows[0]!.scans
      const before = await scans()
      await searchKnowledge(await tenantScope(trx, 'small'), { embedding }).execute()
      expect(await scans()).toBe(before)
      await searchKnowledge(await tenantScope(trx, 'large'), { embedding }).execute()
      expect(await scans()).toBe(before + 1)
      const { rows } = await sql`
        select current_setting('enable_sort') as sort, current_setting('hnsw.iterative_scan') as scan, current_setting('search_path') as path,
          current_setting('hnsw.ef_search') as ef
      `.execute(trx)
      expect(rows).toEqual([{ sort: 'on', scan: 'relaxed_order', path: 'pg_catalog', ef: '40' }])
    })
  })

  it('has an index of metadata that gives what passes a filter and no more, though each key and value is in most chunks', async () => {
    const filter = sql`metadata @> '{"fifth": true}'::jsonb`
    const plan = await test.db.transaction().execute(async (trx) => {
      // So small a table would be read whole.
      await sql`set local enable_seqscan = off`.execute(trx)
      const { rows } = await sql<{
        'QUERY PLAN': string
      }>`explain (analyze, costs off, timing off) select from kb_chunk where ${filter}`.execute(trx)
      return rows.map((row) => row['QUERY PLAN']).join('\n')
    })
    const { rows } = await sql<{ passing: number }>`select count(*)::int4 as passing from kb_chunk where ${filter}`.execute(test.db)
    const scanned = /Bitmap Index Scan on idx_kb_chunk_meta \(actual rows=(\d+)/.exec(plan)?.[1]
    expect(Number(scanned)).toBe(rows[0]!.passing)
  })

  it.skipIf(leg.name !== 'server')('is fast where an unfiltered scan of the index would find too few', async () => {
    const [embedding] = queries as [number[]]
    await searchKnowledge(large, { embedding }).execute()
    const started = performance.now()
    for (let n = 0; n < 10; n++) await searchKnowledge(large, { embedding }).execute()
    expect((performance.now() - started) / 10).toBeLessThan(250)
  })
})
