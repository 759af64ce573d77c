import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { readInstallation, type Installation } from '../../../src/database/installation/installation.ts'
import { schemaDrift, type Drift } from '../../../src/operate/doctor/schemaDrift.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import { addOnePolicyOfEach } from '../../support/timescalePolicies.ts'
import { freshDatabase, onEveryLeg, type TestDatabase } from '../../support/leg.ts'

onEveryLeg('schemaDrift', () => {
  let test: TestDatabase
  let installation: Installation
  beforeAll(async () => {
    test = await freshDatabase()
    installation = (await readInstallation(test.db))!
  })
  afterAll(() => test.close())

  it('finds none in a database just migrated, nor in tables and functions of others', async () => {
    expect(await schemaDrift(test.db)).toEqual([])
    await sql`create table theirs (id int4)`.execute(test.db)
    await sql`create function theirs() returns int4 language sql as 'select 1'`.execute(test.db)
    expect(await schemaDrift(test.db)).toEqual([])
  })

  it.each<[string, string[], Partial<Drift>]>([
    ['a dropped table', ['drop table topo_edge_time'], { kind: 'missing', what: 'table', name: 'topo_edge_time' }],
    [
      'a dropped column',
      ['alter table dim_resource drop column zone'],
      { kind: 'missing', what: 'column', name: 'dim_resource.zone', expected: 'text' },
    ],
    [
      'an added column',
      ['alter table kb_doc add column extra int4'],
      { kind: 'added', what: 'column', name: 'kb_doc.extra', actual: 'integer' },
    ],
    ['a renamed column', ['alter table dim_resource rename column zone to area'], { kind: 'missing', name: 'dim_resource.zone' }],
    [
      'an altered type',
      ['alter table kb_doc alter column title type varchar(40)'],
      { kind: 'changed', what: 'column', name: 'kb_doc.title', expected: 'text', actual: 'character varying(40)' },
    ],
    [
      'a dropped default',
      ['alter table dim_tenant alter column labels drop default'],
      { kind: 'changed', what: 'column', name: 'dim_tenant.labels', actual: 'jsonb not null' },
    ],
    [
      'an added default',
      ["alter table kb_doc alter column title set default 'x'"],
      { kind: 'changed', name: 'kb_doc.title', actual: "text default 'x'::text" },
    ],
    [
      'a dropped not null',
      ['alter table dim_tenant alter column name drop not null'],
      { kind: 'changed', name: 'dim_tenant.name', expected: 'text not null', actual: 'text' },
    ],
    [
      'an added not null',
      ['alter table dim_resource alter column env set not null'],
      { kind: 'changed', name: 'dim_resource.env', actual: 'text not null' },
    ],
    [
      'a dropped identity',
      ['alter table dim_tenant alter column tenant_id drop identity'],
      { kind: 'changed', name: 'dim_tenant.tenant_id' },
    ],
    [
      'a generated column made plain',
      ['alter table log_pattern alter column pattern_hash drop expression'],
      { kind: 'changed', name: 'log_pattern.pattern_hash' },
    ],
    [
      'another embedding dimension',
      [
        'drop index idx_kb_vec_hnsw',
        'alter table kb_chunk alter column embedding type vector(9)',
        'create index idx_kb_vec_hnsw on kb_chunk using hnsw (embedding vector_l2_ops)',
      ],
      { kind: 'changed', name: 'kb_chunk.embedding', actual: 'vector(9)' },
    ],
    ['a dropped index', ['drop index idx_res_type'], { kind: 'missing', what: 'index', name: 'dim_resource.idx_res_type' }],
    [
      'an added index',
      ['create index theirs_env on dim_resource (env)'],
      { kind: 'added', what: 'index', name: 'dim_resource.theirs_env' },
    ],
    [
      'a changed index',
      ['drop index idx_res_type', 'create index idx_res_type on dim_resource (type, env)'],
      { kind: 'changed', what: 'index', name: 'dim_resource.idx_res_type' },
    ],
    [
      'another distance',
      ['drop index idx_kb_vec_hnsw', 'create index idx_kb_vec_hnsw on kb_chunk using hnsw (embedding vector_cosine_ops)'],
      { kind: 'changed', name: 'kb_chunk.idx_kb_vec_hnsw' },
    ],
    [
      "a rollup table's dropped index",
      ['drop index idx_metric_tenant'],
      { kind: 'missing', what: 'index', name: 'metric_1m.idx_metric_tenant' },
    ],
    [
      'a dropped constraint',
      ['alter table topo_edge_time drop constraint topo_edge_time_once'],
      { kind: 'missing', what: 'constraint', name: 'topo_edge_time.topo_edge_time_once' },
    ],
    [
      'an added constraint',
      ["alter table kb_doc add constraint theirs check (title <> '')"],
      { kind: 'added', what: 'constraint', name: 'kb_doc.theirs' },
    ],
    [
      'a changed constraint',
      [
        'alter table dim_resource drop constraint dim_resource_urn_check',
        'alter table dim_resource add constraint dim_resource_urn_check check (octet_length(urn) < 9)',
      ],
      { kind: 'changed', what: 'constraint', name: 'dim_resource.dim_resource_urn_check' },
    ],
    [
      "a rollup table's dropped foreign key",
      ['alter table metric_series drop constraint metric_series_tenant_id_resource_id_fkey'],
      { kind: 'missing', what: 'constraint', name: 'metric_series.metric_series_tenant_id_resource_id_fkey' },
    ],
    [
      'a dropped function',
      ['drop function exp_histogram_count(bytea)'],
      { kind: 'missing', what: 'function', name: 'exp_histogram_count(histogram bytea)' },
    ],
    [
      'a replaced function',
      [
        "create or replace function exp_histogram_count(histogram bytea) returns int8 language sql immutable strict parallel safe as 'select 0::int8'",
      ],
      { kind: 'changed', what: 'function', name: 'exp_histogram_count(histogram bytea)' },
    ],
    [
      "a function's volatility",
      ['alter function exp_histogram_count(bytea) volatile'],
      { kind: 'changed', what: 'function', name: 'exp_histogram_count(histogram bytea)' },
    ],
    [
      "a function's settings",
      ['alter function exp_histogram_count(bytea) set search_path = pg_catalog'],
      { kind: 'changed', what: 'function' },
    ],
    [
      'a dropped aggregate',
      ['drop aggregate exp_histogram_merge(bytea) cascade'],
      { kind: 'missing', what: 'function', name: 'exp_histogram_merge(bytea)' },
    ],
    [
      'a rollup table that is not cut along time',
      ['drop table log_pattern_5m cascade', 'create table log_pattern_5m (bucket timestamptz)'],
      { kind: 'changed', what: 'table', name: 'log_pattern_5m', actual: 'a plain table', expected: 'cut along bucket' },
    ],
  ])('finds %s', async (_title, changes, expected) => {
    await undone(async (trx) => {
      for (const change of changes) await sql.raw(change).execute(trx)
      expect(await schemaDrift(trx)).toContainEqual(expect.objectContaining(expected))
    })
    expect(await schemaDrift(test.db)).toEqual([])
  })

  it('finds none where the session prints dates and intervals in another style', async () => {
    await undone(async (trx) => {
      await sql`select set_config('timezone', 'Asia/Tokyo', true), set_config('datestyle', 'German', true), set_config('intervalstyle', 'iso_8601', true)`.execute(
        trx,
      )
      expect(await schemaDrift(trx)).toEqual([])
    })
  })

  it('finds an added trigger, and the triggers of an extension not', async () => {
    await undone(async (trx) => {
      await sql`create function theirs_too() returns trigger language plpgsql as 'begin return null; end'`.execute(trx)
      await sql`create trigger theirs after insert on metric_1m for each statement execute function theirs_too()`.execute(trx)
      expect(await schemaDrift(trx)).toEqual([
        expect.objectContaining({ kind: 'added', what: 'trigger', name: 'metric_1m.theirs', expected: null }),
      ])
    })
  })

  it('finds a dropped rollup, once', async () => {
    const drop = installation.timeRung === 'community' ? sql`drop materialized view` : sql`drop view`
    await undone(async (trx) => {
      await sql`${drop} metric_1d`.execute(trx)
      expect(await schemaDrift(trx)).toEqual([expect.objectContaining({ kind: 'missing', what: 'view', name: 'metric_1d', actual: null })])
    })
  })

  describe('where rollups are views', () => {
    beforeEach(({ skip }) => skip(installation.timeRung === 'community', 'here they are continuous aggregates'))

    it.each<[string, string[], Partial<Drift>]>([
      [
        'a dropped trigger',
        ['drop trigger metric_1h_stale_after_insert on metric_1m'],
        { kind: 'missing', what: 'trigger', name: 'metric_1m.metric_1h_stale_after_insert' },
      ],
      [
        'a trigger with other arguments',
        [
          'drop trigger metric_1d_stale_after_delete on metric_1h_stored',
          `create trigger metric_1d_stale_after_delete after delete on metric_1h_stored referencing old table as changed
          for each statement execute function note_stale_buckets('metric_1d', '2 days')`,
        ],
        { kind: 'changed', what: 'trigger', name: 'metric_1h_stored.metric_1d_stale_after_delete' },
      ],
      [
        'a view with another condition',
        ['create or replace view log_pattern_1d as select * from log_pattern_1d_stored'],
        { kind: 'changed', what: 'view', name: 'log_pattern_1d', expected: expect.stringMatching(/^view [0-9a-f]{16}$/) },
      ],
      [
        'a view with another column',
        ['drop view service_call_1d', 'create view service_call_1d as select *, 1 as extra from service_call_1d_stored'],
        { kind: 'added', what: 'column', name: 'service_call_1d.extra', actual: 'integer' },
      ],
      [
        "a stored table's dropped index",
        ['drop index idx_metric_1h_tenant_id'],
        { kind: 'missing', what: 'index', name: 'metric_1h_stored.idx_metric_1h_tenant_id' },
      ],
    ])('finds %s', async (_title, changes, expected) => {
      await undone(async (trx) => {
        for (const change of changes) await sql.raw(change).execute(trx)
        expect(await schemaDrift(trx)).toContainEqual(expect.objectContaining(expected))
      })
    })
  })

  describe('where rollups are continuous aggregates', () => {
    beforeEach(({ skip }) => skip(installation.timeRung !== 'community', 'here they are views'))

    it.each<[string, string[], Partial<Drift>]>([
      [
        'one that no longer shows what is not materialized',
        ['alter materialized view metric_1h set (timescaledb.materialized_only = true)'],
        { kind: 'changed', what: 'view', name: 'metric_1h', actual: expect.stringContaining('materialized only') },
      ],
      [
        'a view in its place',
        ['drop materialized view metric_1d', 'create view metric_1d as select * from metric_1h'],
        { kind: 'changed', what: 'view', name: 'metric_1d', actual: expect.stringMatching(/^view /) },
      ],
      [
        'one of another query',
        [
          'drop materialized view log_pattern_1d',
          `create materialized view log_pattern_1d with (timescaledb.continuous, timescaledb.materialized_only = false) as
          select time_bucket(interval '1 day', bucket) as bucket, tenant_id, resource_id, fingerprint_id,
            max(count_total)::bigint as count_total, sum(count_error)::bigint as count_error
          from log_pattern_1h group by 1, 2, 3, 4 with no data`,
        ],
        { kind: 'changed', what: 'view', name: 'log_pattern_1d', actual: expect.stringContaining('real-time') },
      ],
      [
        'a dropped index',
        [
          `do $$ begin
            execute (
              select format('drop index %I.%I', schemaname, indexname) from pg_indexes, timescaledb_information.continuous_aggregates
              where view_name = 'metric_1h' and tablename = materialization_hypertable_name and indexdef like '%(tenant_id,%'
            );
          end $$`,
        ],
        { kind: 'missing', what: 'index', name: 'metric_1h.btree (tenant_id, bucket)' },
      ],
    ])('finds %s', async (_title, changes, expected) => {
      await undone(async (trx) => {
        for (const change of changes) await sql.raw(change).execute(trx)
        expect(await schemaDrift(trx)).toContainEqual(expect.objectContaining(expected))
      })
    })

    it('finds none where policies were added', async () => {
      await undone(async (trx) => {
        await addOnePolicyOfEach(trx)
        expect(await schemaDrift(trx)).toEqual([])
      })
    })
  })

  it('finds a disabled trigger, where there are partitions', async ({ skip }) => {
    skip(installation.timeRung !== 'native', 'hypertables do not let their triggers be disabled')
    await undone(async (trx) => {
      await sql`alter table service_call_5m disable trigger service_call_1h_stale_after_update`.execute(trx)
      expect(await schemaDrift(trx)).toEqual([
        {
          kind: 'changed',
          what: 'trigger',
          name: 'service_call_5m.service_call_1h_stale_after_update',
          expected: expect.stringMatching(/^CREATE TRIGGER .*'1 hour'\)$/),
          actual: expect.stringMatching(/'1 hour'\) \(disabled\)$/),
        },
      ])
    })
  })

  it('finds a default partition gone, where there are partitions', async ({ skip }) => {
    skip(installation.timeRung !== 'native', 'hypertables have none')
    await undone(async (trx) => {
      await sql`drop table metric_1m_default`.execute(trx)
      expect(await schemaDrift(trx)).toEqual([
        expect.objectContaining({ kind: 'missing', what: 'default partition', name: 'metric_1m_default' }),
      ])
    })
  })

  it('is mended by migrate up where functions are concerned', async () => {
    await undone(async (trx) => {
      await sql`drop function exp_histogram_count(bytea)`.execute(trx)
      await migrateUp(trx)
      expect(await schemaDrift(trx)).toEqual([])
    })
  })

  async function undone(work: (trx: TestDatabase['db']) => Promise<void>): Promise<void> {
    const undo = new Error('undo')
    await test.db
      .transaction()
      .execute(async (trx) => {
        await work(trx)
        throw undo
      })
      .catch((error: unknown) => {
        if (error !== undo) throw error
      })
  }
})
