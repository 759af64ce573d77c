import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { deleteTenant } from '../../../src/catalog/deleteTenant.ts'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { latestMetrics } from '../../../src/metrics/latestMetrics.ts'
import { metricSeries } from '../../../src/metrics/metricSeries.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import type { Json } from '../../../src/schema/text.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { at, during, insertMetrics, services } from '../../support/rows.ts'

onEveryLeg('the series of metrics that are known', () => {
  let test: TestDatabase
  let scope: Scope
  let resource: string
  beforeAll(async () => {
    test = await cleanDatabase()
  })
  afterAll(() => test.close())
  beforeEach(async () => {
    scope = await tenant(test.db, crypto.randomUUID())
    resource = (await services(scope, ['urn:a'])).get('urn:a')!
  })

  const known = async (of = scope) => {
    const { rows } = await sql<{ metric: string; labels: Json }>`
      select metric, labels from metric_series where tenant_id = ${of.tenantId}::int8 order by metric collate "C", labels::text collate "C"
    `.execute(test.db)
    return rows.map(({ metric, labels }) => `${metric} ${JSON.stringify(labels)}`)
  }
  const insert = (metric: string, labels: Json = {}, bucket = at('10:00'), of = resource) => sql`
    insert into metric_1m (bucket, tenant_id, resource_id, metric, labels, avg_val)
    values (${bucket}, ${scope.tenantId}::int8, ${of}::int8, ${metric}, ${JSON.stringify(labels)}::jsonb, 1)`
  const forgotten = async () => {
    const { steps, notDone } = await maintain(test.db, { lockAttempts: 1 })
    const ofSeries = (unit: { object: string }) => unit.object === 'metric_series'
    return { rows: steps.find(ofSeries)?.rows ?? 0, left: notDone.some(ofSeries) }
  }

  it('are those of the rows that somebody inserted or changed', async () => {
    await insert('cpu').execute(test.db)
    await insert('cpu', { core: 1 }).execute(test.db)
    await insert('cpu', { core: 1 }, at('10:01')).execute(test.db)
    expect(await known()).toEqual(['cpu {"core":1}', 'cpu {}'])
    await sql`update metric_1m set labels = '{"core": 2}' where tenant_id = ${scope.tenantId}::int8 and labels = '{}'`.execute(test.db)
    expect(await known()).toContain('cpu {"core":2}')
    const { rows } = await sql`
      select from metric_1m as row where tenant_id = ${scope.tenantId}::int8
        and not exists (select from metric_series as known where known.series_id = row.series_id and known.labels = row.labels)
    `.execute(test.db)
    expect(rows).toEqual([])
  })

  it('have the last day of their rows, in whatever order these came and by whatever statement', async () => {
    const lastDays = async () => {
      const { rows } = await sql<{ metric: string; day: string }>`
        select metric, last_day::text as day from metric_series where tenant_id = ${scope.tenantId}::int8 order by metric collate "C"
      `.execute(test.db)
      return Object.fromEntries(rows.map(({ metric, day }) => [metric, day]))
    }
    await sql`set time zone 'Pacific/Kiritimati'`.execute(test.db)
    await sql`
      insert into metric_1m (bucket, tenant_id, resource_id, metric)
      select bucket, ${scope.tenantId}::int8, ${resource}::int8, metric
      from unnest(
        array['2026-03-01 23:59Z', '2026-03-02 00:00Z', '2026-02-20 12:00Z', '2026-03-01 10:00Z']::timestamptz[], array['a', 'a', 'a', 'b']
      ) as given (bucket, metric)
    `.execute(test.db)
    await sql`reset time zone`.execute(test.db)
    expect(await lastDays()).toEqual({ a: '2026-03-02', b: '2026-03-01' })
    await insert('a', {}, new Date('2026-01-01T00:00Z')).execute(test.db)
    await insert('b', {}, new Date('2026-03-07T00:00Z')).execute(test.db)
    expect(await lastDays()).toEqual({ a: '2026-03-02', b: '2026-03-07' })
    await sql`update metric_1m set bucket = bucket + interval '2 days' where tenant_id = ${scope.tenantId}::int8 and metric = 'b'`.execute(
      test.db,
    )
    expect(await lastDays()).toEqual({ a: '2026-03-02', b: '2026-03-09' })
    await sql`
      insert into metric_series (tenant_id, resource_id, metric, labels) values (${scope.tenantId}::int8, ${resource}::int8, 'c', '{}')
    `.execute(test.db)
    await insert('c', {}, new Date('2026-03-07T00:00Z')).execute(test.db)
    expect(await lastDays()).toMatchObject({ c: 'infinity' })
  })

  it('are read from their first minute to their last, and not where they have ended', async () => {
    const minutes = (metric: string, ...buckets: string[]) =>
      insertMetrics(
        scope,
        buckets.map((bucket) => ({ bucket: new Date(bucket), resource: 'urn:a', metric, samples: [1] })),
      )
    await minutes('ended', '2026-02-27T23:59Z', '2026-02-28T23:59Z')
    await minutes('alive', '2026-02-28T23:59Z', '2026-03-01T00:00Z')
    const metric = ['ended', 'alive']
    const read = async (from: string, to: string) => {
      const range = { from: new Date(from), to: new Date(to) }
      const [all, newest] = [
        metricSeries(scope, { metric, measure: 'avg', range }),
        latestMetrics(scope, { metric, measure: 'avg', range }),
      ]
      return [(await all.execute()).length, (await newest.execute()).map(({ series }) => series)]
    }
    expect(await read('2026-02-28T23:59Z', '2026-03-01T01:00Z')).toEqual([3, ['alive urn:a', 'ended urn:a']])
    expect(await read('2026-02-28T23:59:30Z', '2026-03-01T01:00Z')).toEqual([1, ['alive urn:a']])
    expect(await read('2026-03-01T00:00Z', '2026-03-01T01:00Z')).toEqual([1, ['alive urn:a']])
    expect(await read('2026-02-27T00:00Z', '2026-02-28T00:00Z')).toEqual([1, ['ended urn:a']])
  })

  it('are told apart whatever their labels and names are', async () => {
    const name = fc.string({ unit: fc.constantFrom('1', ' ', '"', '{', '}', 'a'), minLength: 1, maxLength: 5 })
    const labels = fc.oneof(fc.nat({ max: 20 }), name, fc.dictionary(name, name, { maxKeys: 2 }))
    await fc.assert(
      fc.asyncProperty(
        fc.uniqueArray(fc.tuple(name, labels), { selector: (pair) => JSON.stringify(pair), maxLength: 40 }),
        async (pairs) => {
          const { rows } = await sql<{ written: number; series: number }>`
          with given as (
            insert into metric_1m (bucket, tenant_id, resource_id, metric, labels)
            select ${at('10:00')}, ${scope.tenantId}::int8, ${resource}::int8, pair ->> 0, pair -> 1 from jsonb_array_elements(${JSON.stringify(pairs)}::jsonb) as pair
            on conflict do nothing
            returning metric, labels, series_id
          )
          select count(distinct (metric, labels))::int4 as written, count(distinct series_id)::int4 as series from given
        `.execute(test.db)
          expect(rows[0]!.series).toBe(rows[0]!.written)
          await sql`delete from metric_1m where tenant_id = ${scope.tenantId}::int8`.execute(test.db)
        },
      ),
      { numRuns: 20 },
    )
  })

  it('are refused if they have the key of another', async () => {
    await insert('cpu').execute(test.db)
    const clash = test.db.transaction().execute(async (trx) => {
      await sql`alter table metric_series alter column series_id drop expression`.execute(trx)
      await sql`alter table metric_series alter column series_id set default 0`.execute(trx)
      await sql`update metric_series set labels = '{"another": 1}' where tenant_id = ${scope.tenantId}::int8`.execute(trx)
      await insert('cpu', {}, at('10:01')).execute(trx)
    })
    await expect(clash).rejects.toThrow('two series of metrics have the key')
  })

  it('are of resources that the tenant has, which cannot be deleted', async () => {
    const other = await tenant(test.db, crypto.randomUUID())
    const theirs = (await services(other, ['urn:b'])).get('urn:b')!
    await expect(insert('cpu', {}, at('10:00'), theirs).execute(test.db)).rejects.toThrow('foreign key')
    await expect(insert('cpu', {}, at('10:00'), '999999').execute(test.db)).rejects.toThrow('foreign key')
    await insert('cpu').execute(test.db)
    await expect(sql`delete from dim_resource where resource_id = ${resource}::int8`.execute(test.db)).rejects.toThrow('foreign key')
    expect(await known()).toEqual(['cpu {}'])
  })

  it('are found in chunks that were compressed before the row came', async ({ skip }) => {
    skip(leg.name !== 'community', 'nothing else compresses')
    await insert('old').execute(test.db)
    await sql`alter table metric_1m set (timescaledb.enable_columnstore, timescaledb.segmentby = 'series_id, tenant_id, resource_id, metric', timescaledb.orderby = 'bucket')`.execute(
      test.db,
    )
    await sql`select compress_chunk(chunk) from show_chunks('metric_1m') as chunk`.execute(test.db)
    await insert('late', { core: 1 }, at('10:05')).execute(test.db)
    await sql`update metric_1m set labels = '{"core": 7}' where tenant_id = ${scope.tenantId}::int8 and metric = 'old'`.execute(test.db)
    expect(await known()).toEqual(['late {"core":1}', 'old {"core":7}', 'old {}'])
    const read = (labels: Record<string, Json>) =>
      metricSeries(scope, { metric: ['late', 'old'], labels, measure: 'avg', range: during('10:00', '11:00') }).execute()
    expect([await read({ core: 1 }), await read({ core: 7 })].map((rows) => rows.length)).toEqual([1, 1])
  })

  it('are forgotten by maintain once they have no row, neither by the minute nor rolled up', async () => {
    await forgotten()
    await insertMetrics(scope, [
      { bucket: at('10:00'), resource: 'urn:a', metric: 'gone', samples: [1] },
      { bucket: at('10:00'), resource: 'urn:a', metric: 'rolled', samples: [1] },
      { bucket: at('10:00'), resource: 'urn:a', metric: 'there', samples: [1] },
    ])
    const ours = sql`tenant_id = ${scope.tenantId}::int8`
    if (leg.name === 'community') {
      await sql`delete from metric_1m where ${ours} and metric = 'gone'`.execute(test.db)
      await sql`call refresh_continuous_aggregate('metric_1h', null, null)`.execute(test.db)
    } else {
      await sql`
        insert into metric_1h_stored (bucket, tenant_id, resource_id, series_id, metric, labels)
        select date_trunc('hour', bucket), tenant_id, resource_id, series_id, metric, labels from metric_1m where ${ours} and metric = 'rolled'
      `.execute(test.db)
      await sql`delete from metric_1m where ${ours} and metric in ('gone', 'rolled')`.execute(test.db)
      await sql`delete from pgvantage_stale_bucket`.execute(test.db)
    }
    expect(await forgotten()).toEqual({ rows: 1, left: false })
    expect(await known()).toEqual(['rolled {}', 'there {}'])
    expect(await forgotten()).toEqual({ rows: 0, left: false })
    await deleteTenant(test.db, scope.tenantCode)
    expect(await known()).toEqual([])
  })

  describe.skipIf(!leg.concurrent)('beside others', () => {
    it('have the later day where two add them at once, whoever is first', async () => {
      const waits = async () => {
        const { rows } = await sql`
          select from pg_stat_activity where datname = current_database() and wait_event_type = 'Lock' and query like '%metric_1m%'
        `.execute(test.db)
        return rows.length
      }
      // Chunks that are there: who makes one keeps others waiting before they come to the series.
      for (const day of ['2026-03-01', '2026-03-02']) await insert('before', {}, new Date(day)).execute(test.db)
      for (const [metric, first, second] of [
        ['ahead', '2026-03-01', '2026-03-02'],
        ['behind', '2026-03-02', '2026-03-01'],
      ] as const) {
        const writer = await test.db.startTransaction().execute()
        await insert(metric, {}, new Date(first)).execute(writer)
        const other = insert(metric, {}, new Date(second)).execute(test.db)
        await expect.poll(waits).toBe(1)
        await writer.commit().execute()
        await other
      }
      const { rows } = await sql`
        select last_day::text as day from metric_series where tenant_id = ${scope.tenantId}::int8
      `.execute(test.db)
      expect(rows).toEqual(Array(3).fill({ day: '2026-03-02' }))
    })

    it.each(['read committed', 'repeatable read'])(
      'stay while a transaction runs that has written a row of them (%s)',
      async (isolation) => {
        await insert('kept').execute(test.db)
        await sql`delete from metric_1m where tenant_id = ${scope.tenantId}::int8`.execute(test.db)
        const others = connect({ connectionString: test.url!, max: 1 })
        try {
          const writer = await others.startTransaction().execute()
          await sql`set transaction isolation level ${sql.raw(isolation)}`.execute(writer)
          await insert('kept', {}, at('11:00')).execute(writer)
          expect((await forgotten()).left).toBe(true)
          await writer.commit().execute()
        } finally {
          await others.destroy()
        }
        await forgotten()
        expect(await known()).toEqual(['kept {}'])
      },
    )

    it.each(['read committed', 'repeatable read'])(
      'are written again if they were forgotten after a transaction began (%s)',
      async (isolation) => {
        await insert('kept').execute(test.db)
        await sql`delete from metric_1m where tenant_id = ${scope.tenantId}::int8`.execute(test.db)
        const others = connect({ connectionString: test.url!, max: 1 })
        try {
          const writer = await others.startTransaction().execute()
          await sql`set transaction isolation level ${sql.raw(isolation)}`.execute(writer)
          await sql`select from metric_series limit 1`.execute(writer)
          expect((await forgotten()).left).toBe(false)
          expect(await known()).toEqual([])
          await insert('kept', {}, at('11:00')).execute(writer)
          await writer.commit().execute()
        } finally {
          await others.destroy()
        }
        expect(await known()).toEqual(['kept {}'])
      },
    )

    it('are written by several at once, in any order of rows, without deadlocks', async () => {
      const others = connect({ connectionString: test.url!, max: 4 })
      const metrics = Array.from({ length: 300 }, (_, number) => `m${number}`)
      try {
        await Promise.all(
          Array.from({ length: 12 }, (_, writer) => {
            const order = writer % 2 === 0 ? metrics : metrics.toReversed()
            return sql`
              insert into metric_1m (bucket, tenant_id, resource_id, metric)
              select ${at('10:00')}::timestamptz + ${writer}::int4 * interval '1 minute', ${scope.tenantId}::int8, ${resource}::int8, metric
              from unnest(${order}::text[]) with ordinality as given (metric, place) order by place
            `.execute(others)
          }),
        )
      } finally {
        await others.destroy()
      }
      expect(await known()).toHaveLength(300)
    })

    it('are not deleted with their tenant while a row of it is written', async () => {
      await insert('cpu').execute(test.db)
      const others = connect({ connectionString: test.url!, max: 1 })
      let deleting: Promise<unknown> = Promise.resolve()
      try {
        const writer = await others.startTransaction().execute()
        await insert('cpu', {}, at('11:00')).execute(writer)
        deleting = deleteTenant(test.db, scope.tenantCode).catch((error: unknown) => error)
        await new Promise((resolve) => setTimeout(resolve, 500))
        await writer.commit().execute()
        expect(await deleting).toMatchObject({ message: expect.stringContaining('stop what writes them') })
      } finally {
        await deleting
        await others.destroy()
      }
      await deleteTenant(test.db, scope.tenantCode)
      const { rows } = await sql`select from metric_1m where tenant_id = ${scope.tenantId}::int8`.execute(test.db)
      expect([rows.length, ...(await known())]).toEqual([0])
      await expect(tenantScope(test.db, scope.tenantCode)).rejects.toThrow()
    })
  })
})
