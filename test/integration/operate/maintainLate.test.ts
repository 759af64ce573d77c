import { sql } from 'kysely'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { maintain } from '../../../src/operate/maintain/maintain.ts'
import { refreshRange } from '../../../src/operate/maintain/refreshRange.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { insertMetrics } from '../../support/rows.ts'

const hour = 3_600_000
const day = 24 * hour
const now = new Date(Math.floor(Date.now() / day) * day + 12 * hour)
const daysAgo = (days: number, hours = 0) => new Date(now.getTime() - days * day + hours * hour)

onEveryLeg('data that comes when what it belongs to has been dropped', () => {
  let test: TestDatabase
  let scope: Scope
  beforeEach(async () => {
    test = await cleanDatabase()
    // This build of pgvector breaks when it is first loaded from within a function.
    await sql`select '[1]'::vector`.execute(test.db)
    scope = await tenant(test.db)
    // An hour of noon each day, of two minutes.
    await write(Array.from({ length: 36 }, (_, at) => daysAgo(45 - at)).flatMap((noon) => [noon, new Date(noon.getTime() + 60_000)]))
    await maintain(test.db, { now })
    await retain('30 days')
    // Where the server has jobs, its job would do this.
    if (leg.name === 'community') await sql`select drop_chunks('metric_1m', older_than => ${daysAgo(30)}::timestamptz)`.execute(test.db)
    else await maintain(test.db, { now })
  })
  afterEach(() => test.close())

  const write = (buckets: readonly Date[], samples: readonly number[] = [1, 3]) =>
    insertMetrics(
      scope,
      buckets.map((bucket) => ({ bucket, samples, resource: 'urn:svc:a', metric: 'm' })),
    )
  const retain = (retain: string) =>
    sql`insert into pgvantage_policy (object, kind, settings) values ('metric_1m', 'retention', jsonb_build_object('retain', ${retain}::text))`.execute(
      test.db,
    )
  const rolled = async (table: 'metric_1h' | 'metric_1d') => {
    const { rows } = await sql<{ bucket: Date; count: string; max: number }>`
      select bucket, sample_count as count, max_val as max from ${scope.id(table)} order by bucket
    `.execute(test.db)
    return rows
  }

  it('keeps the rollups of what is gone', async () => {
    const hours = await rolled('metric_1h')
    expect(hours).toHaveLength(36)
    expect(new Set(hours.map(({ count }) => count))).toEqual(new Set(['4']))
    expect((await rolled('metric_1d')).map(({ count }) => count)).toEqual(hours.map(() => '4'))
    const { rows } = await sql<{ first: Date }>`select min(bucket) as first from metric_1m`.execute(test.db)
    expect(rows[0]!.first > daysAgo(38)).toBe(true)
    // TimescaleDB holds a drop to have changed what was dropped and the bucket after it, which is there and is rolled once more.
    await maintain(test.db, { now })
    expect(await maintain(test.db, { now })).toEqual({ steps: [], tooLate: [], notDone: [] })
    expect(await rolled('metric_1h')).toEqual(hours)
  })

  it('says what came too late for its hour, and loses nothing of the hour for it', async () => {
    const hours = await rolled('metric_1h')
    await write([daysAgo(42, 0.5)], [900])
    const { tooLate } = await maintain(test.db, { now })
    expect(tooLate).toEqual([{ rollup: 'metric_1h', bucket: daysAgo(42) }])
    expect(await rolled('metric_1h')).toEqual(hours)
    // What came is there, until the retention takes it.
    if (leg.name === 'community') await sql`select drop_chunks('metric_1m', older_than => ${daysAgo(30)}::timestamptz)`.execute(test.db)
    const next = await maintain(test.db, { now })
    expect(next.tooLate).toEqual([])
    expect(await rolled('metric_1h')).toEqual(hours)
    const { rows } = await sql`select from metric_1m where bucket < ${daysAgo(38)}`.execute(test.db)
    expect(rows).toEqual([])
  })

  it('rolls what was loaded of a time that nothing was known of', async () => {
    const hours = await rolled('metric_1h')
    // Three weeks before anything, and an hour of its own on a day whose noon is rolled and gone.
    await write([daysAgo(66), daysAgo(66, 1), daysAgo(42, -5)], [500])
    expect((await maintain(test.db, { now })).tooLate).toEqual([])
    const after = await rolled('metric_1h')
    expect(after.filter(({ max }) => max !== 500)).toEqual(hours)
    expect(after.filter(({ max }) => max === 500).map(({ bucket }) => bucket)).toEqual([daysAgo(66), daysAgo(66, 1), daysAgo(42, -5)])
    const days = await rolled('metric_1d')
    const dayOf = (moment: Date) => days.find(({ bucket }) => bucket.getTime() === Math.floor(moment.getTime() / day) * day)
    expect(dayOf(daysAgo(66))).toMatchObject({ count: '2', max: 500 })
    expect(dayOf(daysAgo(42))).toMatchObject({ count: '5', max: 500 })
  })

  it('does not roll a range again that would lose it, unless it has to', async () => {
    const hours = await rolled('metric_1h')
    const range = { from: daysAgo(60), to: now }
    await expect(refreshRange(test.db, { table: 'metric_1m', range, now })).rejects.toThrow(InvalidInputError)
    await expect(refreshRange(test.db, { table: 'metric_1h', range, now })).rejects.toThrow(
      /range\.from: metric_1m was dropped before .* force: true/,
    )
    expect(await rolled('metric_1h')).toEqual(hours)
    // What is all there can be.
    await refreshRange(test.db, { table: 'metric_1m', range: { from: daysAgo(29), to: now }, now })
    expect(await rolled('metric_1h')).toEqual(hours)
    await refreshRange(test.db, { table: 'metric_1m', range, force: true, now })
    const { rows } = await sql<{ left: number }>`select count(distinct date_trunc('hour', bucket))::int4 as left from metric_1m`.execute(
      test.db,
    )
    expect(await rolled('metric_1h')).toHaveLength(rows[0]!.left)
    expect(rows[0]!.left).toBeLessThan(30)
  })
})
