import { describe, expect, it } from 'vitest'
import { last, type TimeRange } from '../../../src/database/range.ts'
import { readingOf, type Ladder, type Reading } from '../../../src/lifecycle/rollups/resolution.ts'
import { rowsOf } from '../../../src/lifecycle/rollups/rowsOf.ts'
import { logPattern1d, logPattern1h } from '../../../src/logs/patternPolicy.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { at, during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const ladder = { table: 'log_pattern_5m', bucket: '5 minutes', rollups: [logPattern1h, logPattern1d] } as const satisfies Ladder
const now = at('12:00')
const since = (duration: string) => last(duration, () => now)
const ago = (duration: string) => since(duration).from

describe('the table a series is read from', () => {
  const scope = unitScope()

  it.each([
    ['1 hour', 'log_pattern_5m', '5 minutes'],
    ['35 days', 'log_pattern_5m', '5 minutes'],
    ['35 days 1 second', 'log_pattern_1h', '1 hour'],
    ['420 days', 'log_pattern_1h', '1 hour'],
    ['421 days', 'log_pattern_1d', '1 day'],
    ['30000 days', 'log_pattern_1d', '1 day'],
  ])('is for %s by itself %s', (length, table, every) => {
    expect(readingOf(scope, ladder, since(length))).toEqual({ table, merged: 1, every, range: since(length), chosen: true })
  })

  it('is the finest that still has what is asked for', () => {
    const held: Record<string, Date> = { log_pattern_5m: ago('10 days'), log_pattern_1h: ago('20 days') }
    const dropping = unitScope({ heldSince: (table) => held[table] ?? null })
    const table = (from: Date) => readingOf(dropping, ladder, { from, to: new Date(from.getTime() + 1) }).table
    expect([ago('10 days'), ago('11 days'), ago('20 days'), ago('21 days')].map(table)).toEqual([
      'log_pattern_5m',
      'log_pattern_1h',
      'log_pattern_1h',
      'log_pattern_1d',
    ])
  })

  it.each([
    ['5 minutes', 'log_pattern_5m', 1],
    ['15 minutes', 'log_pattern_5m', 3],
    ['90 minutes', 'log_pattern_5m', 18],
    ['60 minutes', 'log_pattern_1h', 1],
    ['6 hours', 'log_pattern_1h', 6],
    ['24 hours', 'log_pattern_1d', 1],
    ['1 week', 'log_pattern_1d', 7],
  ])('is for buckets of %s the coarsest they are made of, %s', (resolution, table, merged) => {
    expect(readingOf(scope, ladder, since('1 day'), resolution)).toMatchObject({ table, merged, every: resolution })
  })

  it.each(['1 minute', '7 minutes', '301 seconds', '0 hours', 'a day', '1 month', 'Auto', ''])('is none for %j', (resolution) => {
    const read = () => readingOf(scope, ladder, since('1 day'), resolution)
    expect(read).toThrow(InvalidInputError)
    expect(read).toThrow("resolution: must be 'auto' or an interval made of whole buckets of 5 minutes, got ")
  })

  it('is read by whole buckets of the series: those that begin in the range', () => {
    const read = (range: TimeRange, resolution: string) => readingOf(scope, ladder, range, resolution).range
    expect(read(during('10:05', '10:40'), '30 minutes')).toEqual(during('10:30', '11:00'))
    expect(read(during('10:30', '11:00'), '30 minutes')).toEqual(during('10:30', '11:00'))
    expect(read(during('10:31', '10:59'), '30 minutes')).toEqual(during('11:00', '11:00'))
    // 2026-11-22 is a Sunday.
    expect(read(since('7 days'), '1 week')).toEqual({ from: new Date('2026-11-16T00:00Z'), to: new Date('2026-11-23T00:00Z') })
    const ever = { from: new Date(-8.64e15), to: new Date(8.64e15) }
    expect(read(ever, '7 days').to).toEqual(ever.to)
  })
})

describe('the rows of a rollup', () => {
  const rows = (rolled: Record<string, Date>, range: TimeRange, resolution: string) => {
    const scope = unitScope({ installation: { timeRung: 'native' }, rolledUntil: (rollup) => rolled[rollup] ?? null })
    const from = rowsOf(scope, ladder, readingOf(scope, ladder, range, resolution)).as('count')
    return compiled(scope.db.selectFrom(from).selectAll()).sql
  }
  const columns = 'bucket, tenant_id, resource_id, fingerprint_id, count_total, count_error'
  const byNow = (rollup: string) => `(select rolled_until from "public"."pgvantage_time_table" where name = '${rollup}')`
  /** What has been stored since the scope was made. */
  const storedSince = (rollup: string, from: string, to: string) =>
    `select ${columns} from "public"."${rollup}_stored"
    where bucket >= timestamptz '${from}' and bucket < timestamptz '${to}' and true and bucket < ${byNow(rollup)} union all `
  const hours = (from: string, to: string, source = '"public"."log_pattern_5m"', rollup = 'log_pattern_1h') =>
    `select date_bin(interval '1 hour', bucket, timestamptz '2000-01-01 00:00:00+00') as bucket, tenant_id, resource_id, fingerprint_id,
      (least(sum(count_total), 9223372036854775807))::bigint as count_total, (least(sum(count_error), 9223372036854775807))::bigint as count_error
    from ${source} where bucket >= timestamptz '${from}' and bucket < timestamptz '${to}' and true and bucket >= ${byNow(rollup)}
    group by 1, tenant_id, resource_id, fingerprint_id`

  it('are those of its view where the scope does not know how far it has come, and of the finest table anyway', () => {
    expect(rows({}, during('10:00', '11:00'), '1 hour')).toBe('select * from "public"."log_pattern_1h" as "count"')
    expect(rows({}, during('10:00', '11:00'), '5 minutes')).toBe('select * from "public"."log_pattern_5m" as "count"')
  })

  it('are the stored ones where all are', () => {
    expect(rows({ log_pattern_1h: at('11:00') }, during('09:00', '11:00'), '1 hour')).toBe(
      `select * from (select ${columns} from "public"."log_pattern_1h_stored") as "count"`,
    )
  })

  it('are computed where none are', () => {
    expect(rows({ log_pattern_1h: at('09:00') }, during('09:30', '11:20'), '1 hour')).toBe(
      oneLine(`select * from (${storedSince('log_pattern_1h', '2026-11-22T10:00:00.000Z', '2026-11-22T12:00:00.000Z')}
        ${hours('2026-11-22T10:00:00.000Z', '2026-11-22T12:00:00.000Z')}) as "count"`),
    )
  })

  it('are stored up to where it has come, and computed from there', () => {
    expect(rows({ log_pattern_1h: at('10:00') }, during('08:30', '11:20'), '1 hour')).toBe(
      oneLine(`select * from (
        select ${columns} from "public"."log_pattern_1h_stored" where bucket < timestamptz '2026-11-22T10:00:00.000Z'
        union all ${storedSince('log_pattern_1h', '2026-11-22T10:00:00.000Z', '2026-11-22T12:00:00.000Z')}
        ${hours('2026-11-22T10:00:00.000Z', '2026-11-22T12:00:00.000Z')}) as "count"`),
    )
  })

  it('are computed from the finer rollup, as far as that has come', () => {
    const days = { from: new Date('2026-11-01T00:00Z'), to: at('12:00') }
    const source = `(
      select ${columns} from "public"."log_pattern_1h_stored" where bucket < timestamptz '2026-11-22T10:00:00.000Z'
      union all ${storedSince('log_pattern_1h', '2026-11-22T10:00:00.000Z', '2026-11-23T00:00:00.000Z')}
      ${hours('2026-11-22T10:00:00.000Z', '2026-11-23T00:00:00.000Z')}) as source`
    expect(rows({ log_pattern_1h: at('10:00'), log_pattern_1d: at('00:00') }, days, '1 day')).toBe(
      oneLine(`select * from (
        select ${columns} from "public"."log_pattern_1d_stored" where bucket < timestamptz '2026-11-22T00:00:00.000Z'
        union all ${storedSince('log_pattern_1d', '2026-11-22T00:00:00.000Z', '2026-11-23T00:00:00.000Z')}
        ${hours('2026-11-22T00:00:00.000Z', '2026-11-23T00:00:00.000Z', source, 'log_pattern_1d').replace("interval '1 hour'", "interval '1 day'")}) as "count"`),
    )
  })

  it('are computed from the finer view where it does not know how far that has come', () => {
    const days = { from: new Date('2026-11-22T00:00Z'), to: new Date('2026-11-23T00:00Z') }
    expect(rows({ log_pattern_1d: at('00:00') }, days, '1 day')).toBe(
      oneLine(`select * from (
        ${storedSince('log_pattern_1d', '2026-11-22T00:00:00.000Z', '2026-11-23T00:00:00.000Z')}
        ${hours('2026-11-22T00:00:00.000Z', '2026-11-23T00:00:00.000Z', '"public"."log_pattern_1h"', 'log_pattern_1d').replace("interval '1 hour'", "interval '1 day'")}) as "count"`),
    )
  })

  it('are refused by the statement itself once what was chosen for having them all has them no more', () => {
    const scope = unitScope({ timesKnown: true, retainedMs: (table) => (table === 'log_pattern_5m' ? 30 * 86_400_000 : null) })
    const sql = (reading: Reading) => compiled(scope.db.selectFrom(rowsOf(scope, ladder, reading).as('count')).selectAll()).sql
    const range = during('10:00', '11:00')
    expect(sql(readingOf(scope, ladder, range))).toBe(
      oneLine(`select * from (
        select * from "public"."log_pattern_5m"
        union all select (held.no_row).* from (
          select case
            when known.dropped_before <= timestamptz '2026-11-22T10:00:00.000Z'
              and (policy.settings is null or (policy.settings ->> 'retain'::text)::interval >= '2592000000 milliseconds'::interval
                or timestamptz '2026-11-22T10:00:00.000Z' >= now() - (policy.settings ->> 'retain'::text)::interval) then null::"public"."log_pattern_5m"
            when ('rows from 2026-11-22T10:00:00.000Z on have been dropped since this scope was made, make a new one with tenantScope: ' || known.name)::boolean then null
          end as no_row
          from "public"."pgvantage_time_table" as known
          left join "public"."pgvantage_policy" as policy
            on policy.object = known.name and policy.kind = 'retention' and policy.job_id is not null
          where known.name = 'log_pattern_5m'
          offset 0
        ) as held where held.no_row is not null
      ) as "count"`),
    )
    // What was asked for, and the coarsest there is, answer with what they have.
    expect(sql(readingOf(scope, ladder, range, '5 minutes'))).toBe('select * from "public"."log_pattern_5m" as "count"')
    expect(sql(readingOf(scope, ladder, since('500 days')))).toBe('select * from "public"."log_pattern_1d" as "count"')
  })

  it('are bounded by no date that PostgreSQL could not read', () => {
    const ever = rows({ log_pattern_1h: new Date(-8.64e15) }, { from: new Date(-8.64e15), to: new Date(8.64e15) }, '1 hour')
    expect(ever).toContain(`from "public"."log_pattern_5m" where true and bucket >= ${byNow('log_pattern_1h')} group by`)
  })
})
