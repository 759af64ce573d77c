import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { deleteTenant } from '../../../src/catalog/index.ts'
import type { Scope } from '../../../src/database/index.ts'
import { recordEvent } from '../../../src/events/index.ts'
import { latestData } from '../../../src/incident/index.ts'
import { recordTopology } from '../../../src/topology/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, insertCalls, insertMetrics, insertPatternCounts, insertPatterns, services } from '../../support/rows.ts'

const now = at('12:00')
const never = { newest_at: null, age_s: null }

onEveryLeg('latestData', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await insertCalls(
      scope,
      ['11:40', '11:45', '12:05'].map((clock) => ({ bucket: at(clock), src: 'web', dst: 'pay', latencies: [10] })),
    )
    // Older than any look but the last.
    await insertMetrics(
      scope,
      [at('12:01'), new Date('2025-01-02T03:04:00Z')].map((bucket) => ({ bucket, resource: 'web', metric: 'cpu', samples: [1] })),
    )
    const [pattern] = await insertPatterns(scope, [{ pattern: 'failed <*>' }])
    await insertPatternCounts(scope, [{ bucket: at('00:05'), resource: 'web', fingerprint_id: pattern!, count_total: 1 }])
    const other = await tenant(test.db, 'other')
    await insertCalls(other, [{ bucket: at('11:55'), src: 'a', dst: 'b', latencies: [1] }])
    await insertMetrics(other, [{ bucket: at('11:59'), resource: 'a', metric: 'cpu', samples: [1] }])
  })
  afterAll(() => test.close())

  it('says from when the newest rows of the tenant are, and passes over what lies after now', async () => {
    expect(await latestData(scope, { now }).execute()).toEqual([
      { kind: 'metrics', newest_at: new Date('2025-01-02T03:04:00Z'), age_s: 59_561_760 },
      { kind: 'calls', newest_at: at('11:45'), age_s: 900 },
      { kind: 'logs', newest_at: at('00:05'), age_s: 42_900 },
      { kind: 'sketches', ...never },
      { kind: 'topology', ...never },
      { kind: 'events', ...never },
    ])
  })

  it('finds a row in each stretch that it looks into, at its edges too', async () => {
    const edge = await tenant(test.db, 'edge')
    const ages = ['0 minutes', '9 minutes', '10 minutes', '1 hour', '6 hours', '1 day', '1 week', '5 weeks', '52 weeks', '9 years']
    for (const age of ages.toReversed()) {
      await services(edge, ['web'])
      const { rows } = await sql<{ bucket: Date }>`select ${now}::timestamptz - ${age}::interval as bucket`.execute(test.db)
      const { bucket } = rows[0]!
      await insertMetrics(edge, [{ bucket, resource: 'web', metric: 'cpu', samples: [1] }])
      const [metrics] = await latestData(edge, { now }).execute()
      expect({ age, ...metrics }).toMatchObject({ age, kind: 'metrics', newest_at: bucket })
    }
  })

  it('takes a snapshot that changed nothing for news, and an edge without a snapshot', async () => {
    const own = await tenant(test.db, 'topology')
    await services(own, ['web', 'pay'])
    const topology = () => latestData(own, { now }).where('kind', '=', 'topology').clearSelect().select('newest_at').execute()
    const record = (clock: string) =>
      recordTopology(own, [{ from: 'web', to: 'pay' }], { at: at(clock), relation: 'calls', source: 'tracing' })
    await record('10:00')
    await record('11:00')
    expect(await topology()).toEqual([{ newest_at: at('11:00') }])
    await record('12:30')
    expect(await topology()).toEqual([{ newest_at: at('11:00') }])
    await sql`
      insert into ${own.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid)
      select ${own.tenantId}::int8, resource_id, resource_id, edge.relation, tstzrange(edge.since, 'infinity')
      from ${own.id('dim_resource')} cross join (values ('by hand', ${at('11:30')}::timestamptz), ('always', '-infinity')) as edge (relation, since)
      where tenant_id = ${own.tenantId}::int8
    `.execute(test.db)
    expect(await topology()).toEqual([{ newest_at: at('11:30') }])
  })

  it('counts events, also of now by the clock of the caller', async () => {
    const own = await tenant(test.db, 'events')
    await recordEvent(own, { severity: 'INFO', kind: 'deploy', title: 'now' })
    const [event] = await latestData(own, { now: new Date(Date.now() + 60_000) })
      .where('kind', '=', 'events')
      .execute()
    expect(event!.newest_at).toBeInstanceOf(Date)
    expect(event!.age_s).toBeGreaterThan(0)
  })

  it('knows nothing of a tenant that has nothing, or no longer', async () => {
    const gone = await tenant(test.db, 'gone')
    const nothing = ['metrics', 'calls', 'logs', 'sketches', 'topology', 'events'].map((kind) => ({ kind, ...never }))
    expect(await latestData(gone).execute()).toEqual(nothing)
    await insertCalls(gone, [{ bucket: at('11:55'), src: 'a', dst: 'b', latencies: [1] }])
    await deleteTenant(test.db, 'gone')
    expect(await latestData(gone, { now }).execute()).toEqual(nothing)
  })

  it('narrowed in SQL is filtered', async () => {
    await expectNarrows(
      latestData(scope, { now }),
      (eb) => eb('age_s', '>', 1000),
      ({ age_s }) => age_s !== null && age_s > 1000,
    )
  })
})
