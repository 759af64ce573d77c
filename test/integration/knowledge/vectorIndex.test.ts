import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { searchKnowledge } from '../../../src/knowledge/search/searchKnowledge.ts'
import { buildVectorIndex } from '../../../src/knowledge/vectorIndex/buildVectorIndex.ts'
import { doctor } from '../../../src/operate/doctor/doctor.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { apartFromTime, freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'

const dimension = 4

apartFromTime('buildVectorIndex', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    await migrateUp(test.db, { embeddingDimension: dimension, embeddingDistance: 'cosine' })
    scope = await tenant(test.db, 'one')
    await sql`insert into kb_doc (tenant_id, source, title) values (${scope.tenantId}::int8, 's', 't')`.execute(test.db)
    await sql`
      insert into kb_chunk (tenant_id, doc_id, chunk_idx, content, embedding)
      select tenant_id, doc_id, n, n::text, array[n % 7 + 1, n % 5, n % 3, 1]::float4[]
      from kb_doc cross join generate_series(1, 200) as n
    `.execute(test.db)
  })
  afterAll(() => test.close())

  const index = async () => {
    const { rows } = await sql<{ definition: string; valid: boolean }>`
      select pg_get_indexdef(indexrelid) as definition, indisvalid as valid
      from pg_index where indrelid = 'kb_chunk'::regclass and indexrelid::regclass::text like 'idx_kb_vec%'
      order by 1
    `.execute(test.db)
    return rows
  }
  const findings = async () => (await doctor(test.db)).findings.filter(({ code }) => code.startsWith('vector-index'))
  const invalidate = (name: string) => sql`update pg_index set indisvalid = false where indexrelid = ${name}::regclass`.execute(test.db)

  it('builds one with what it is told, in the place of the one that is there', async () => {
    const { bytes, ms } = await buildVectorIndex(test.db, { m: 8, efConstruction: 40, memory: '32MB', workers: 0 })
    expect(bytes).toBeGreaterThan(8000)
    expect(ms).toBeGreaterThan(0)
    expect(await index()).toEqual([
      {
        definition:
          "CREATE INDEX idx_kb_vec_hnsw ON public.kb_chunk USING hnsw (embedding vector_cosine_ops) WITH (m='8', ef_construction='40')",
        valid: true,
      },
    ])
    expect((await doctor(test.db)).drift).toEqual([])
    expect(await searchKnowledge(scope, { embedding: [1, 0, 0, 1], limit: 3 }).execute()).toHaveLength(3)
  })

  it('makes the one that is missing, which doctor misses', async () => {
    await sql`drop index idx_kb_vec_hnsw`.execute(test.db)
    expect(await findings()).toEqual([
      {
        severity: 'warning',
        code: 'vector-index-missing',
        message: 'the index idx_kb_vec_hnsw is missing: every search by embedding compares all chunks of the tenant',
        remedy: 'in a program: await buildVectorIndex(db), from pgvantage/knowledge',
      },
    ])
    await buildVectorIndex(test.db)
    expect(await findings()).toEqual([])
    expect(await index()).toHaveLength(1)
  })

  it('takes the place of one that is invalid, and removes what a killed build left over', async () => {
    await sql`create index idx_kb_vec_hnsw_new on kb_chunk using hnsw (embedding vector_cosine_ops)`.execute(test.db)
    await invalidate('idx_kb_vec_hnsw')
    await invalidate('idx_kb_vec_hnsw_new')
    expect((await findings()).map(({ code }) => code)).toEqual(['vector-index-invalid', 'vector-index-unfinished'])
    await buildVectorIndex(test.db)
    expect(await findings()).toEqual([])
    expect(await index()).toEqual([expect.objectContaining({ valid: true })])
  })

  it('leaves the one that is there when it fails, and says why', async () => {
    const before = await index()
    await sql`create table idx_kb_vec_hnsw_new (somebody text)`.execute(test.db)
    await expect(buildVectorIndex(test.db)).rejects.toMatchObject({
      code: 'VECTOR_INDEX_FAILED',
      message:
        'the vector index could not be built: relation "idx_kb_vec_hnsw_new" already exists; the previous index, if any, stays in use',
    })
    expect(await index()).toEqual(before)
    await sql`drop table idx_kb_vec_hnsw_new`.execute(test.db)
  })

  it('leaves no setting and no role on the connection', async () => {
    const settings = () =>
      test.db.connection().execute(async (own) => {
        const { rows } = await sql`
          select current_user as role, current_setting('search_path') as path, current_setting('maintenance_work_mem') as memory,
            current_setting('lock_timeout') as lock, current_setting('max_parallel_maintenance_workers') as workers
        `.execute(own)
        return rows[0]
      })
    const before = await settings()
    await buildVectorIndex(test.db, { memory: '20MB', workers: 1 })
    expect(await settings()).toEqual(before)
  })

  it.each([
    [{ m: 1 }, 'm'],
    [{ m: 40, efConstruction: 79 }, 'efConstruction'],
    [{ memory: '1 GB; drop table kb_chunk' }, 'memory'],
    [{ workers: -1 }, 'workers'],
  ])('refuses %o, naming %s', async (options, field) => {
    await expect(buildVectorIndex(test.db, options)).rejects.toMatchObject({ code: 'INVALID_INPUT', field })
  })

  it('refuses a transaction', async () => {
    await expect(test.db.transaction().execute((trx) => buildVectorIndex(trx))).rejects.toThrow('must not be a transaction')
  })

  it('gives up where it is asked to before it begins', async () => {
    await expect(buildVectorIndex(test.db, { signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
  })

  it.skipIf(leg.name !== 'server')('stops in the middle when asked to, and a second one beside it is refused', async () => {
    const before = await index()
    const stop = new AbortController()
    // Somebody's open transaction keeps the build waiting.
    await test.db.transaction().execute(async (trx) => {
      await sql`select pg_current_xact_id(), count(*) from kb_chunk`.execute(trx)
      await sql`update kb_doc set title = 'u'`.execute(trx)
      await sql`lock table kb_chunk in row exclusive mode`.execute(trx)
      const phases: string[] = []
      const first = buildVectorIndex(test.db, { signal: stop.signal, onProgress: ({ phase }) => phases.push(phase) })
      await expect.poll(() => phases.length, { timeout: 20_000 }).toBeGreaterThan(0)
      expect(phases[0]).toMatch(/waiting|building|initializing/)
      await expect(buildVectorIndex(test.db)).rejects.toMatchObject({ code: 'VECTOR_INDEX_FAILED' })
      stop.abort(new Error('enough'))
      await expect(first).rejects.toThrow('enough')
    })
    expect((await index()).filter(({ valid }) => valid)).toEqual(before)
    await buildVectorIndex(test.db)
    expect(await index()).toHaveLength(1)
  })

  it.skipIf(leg.name !== 'server')('is ended by what a callback throws', async () => {
    await test.db.transaction().execute(async (trx) => {
      await sql`lock table kb_chunk in row exclusive mode`.execute(trx)
      const thrown = buildVectorIndex(test.db, {
        onProgress: () => {
          throw new Error('of the callback')
        },
      })
      await expect(thrown).rejects.toThrow('of the callback')
    })
    await buildVectorIndex(test.db)
    expect(await index()).toHaveLength(1)
  })
})
