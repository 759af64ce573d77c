import { describe, expect, it } from 'vitest'
import {
  activeUsers,
  cardinalityGrowth,
  distinctOver,
  distinctSeries,
  heavyHitters,
  overlap,
  retention,
} from '../../../src/cardinality/index.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const without = unitScope({ hllSchema: null })
const range = during('09:55', '11:00')
const rows = (table: string, first: number) => `
  from "public"."${table}" as "sketch"
  where "sketch"."tenant_id" = $${first} and "sketch"."bucket" >= $${first + 1} and "sketch"."bucket" < $${first + 2} and "sketch"."dimension" = $${first + 3}`
const part = (table: string, first: number) => `
  select "sketch"."resource_id", "sketch"."dimension", "sketch"."count_total", "sketch"."count_error", "sketch"."distinct_sketch",
    "sketch"."error_sketch", "sketch"."heavy_hitters" ${rows(table, first)}`

describe('the exact SQL', () => {
  it.each([
    [
      'with the extension',
      scope,
      (sketch: string) => `"public"."hll_send"("public"."hll_union_agg"(("part"."${sketch}")::"public"."hll"))`,
    ],
    ['without', without, (sketch: string) => `"public"."hyperloglog_merge"("part"."${sketch}")`],
  ])('of distinctOver, %s: the five minutes before the hour, and the hour', (_, on, union) => {
    expect(compiled(distinctOver(on, { dimension: 'user', range }))).toEqual({
      sql: oneLine(`
        select "values".* from (
          select counted.urn, counted.distinct_count,
            coalesce("public"."hyperloglog_ertl_error"(counted.sketch, counted.distinct_count), 0::float8) as standard_error,
            counted.count_total, counted.count_error
          from (
            select merged.*, coalesce("public"."hyperloglog_ertl"(merged.sketch), 0::float8) as distinct_count
            from (
              select null::text as urn, ${union('sketch')} as sketch, coalesce(sum(part.count_total), 0::numeric)::float8 as count_total,
                coalesce(sum(part.count_error), 0::numeric)::float8 as count_error
              from (
                select ${union('distinct_sketch')} as sketch, sum(part.count_total) as count_total, sum(part.count_error) as count_error
                from (${part('sketch_5m', 1)}) as part
                union all
                select ${union('distinct_sketch')} as sketch, sum(part.count_total) as count_total, sum(part.count_error) as count_error
                from (${part('sketch_1h', 5)}) as part
              ) as part
            ) as merged offset 0
          ) as counted order by distinct_count desc, ("counted"."urn") collate "C"
        ) as "values"`),
      parameters: ['1', range.from, during('10:00', '11:00').from, 'user', '1', during('10:00', '11:00').from, range.to, 'user'],
    })
  })

  it('of distinctSeries', () => {
    expect(compiled(distinctSeries(without, { dimension: 'user', range }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select $1::text as series, merged.bucket, coalesce("public"."hyperloglog_ertl"(merged.measured), 0::float8) as value, null::int8 as resource_id
          from (
            select "sketch"."bucket" as "bucket", "public"."hyperloglog_merge"("sketch"."distinct_sketch") as "measured" ${rows('sketch_5m', 2)}
            group by "sketch"."bucket"
          ) as merged order by merged.bucket
        ) as "point"`),
      parameters: ['user', '1', range.from, range.to, 'user'],
    })
  })

  it('of heavyHitters', () => {
    expect(compiled(heavyHitters(scope, { dimension: 'client', range: during('10:00', '11:00'), limit: 3 }))).toEqual({
      sql: oneLine(`
        select "value".* from (
          select top.item, top.min_count as score, top.min_count, top.max_count,
            top.min_count / nullif((merged.sketch -> 'n'::text)::float8, 0::float8) as share, top.certain, top.complete
          from (select "public"."heavy_hitters_merge"("part"."heavy_hitters") as sketch from (${part('sketch_1h', 1)}) as part) as merged
          cross join lateral "public"."heavy_hitters_top"("merged"."sketch", 3) as top
          order by top.min_count desc, ("top"."item") collate "C"
        ) as "value"`),
      parameters: ['1', during('10:00', '11:00').from, during('10:00', '11:00').to, 'client'],
    })
  })

  it('of activeUsers reads the thirty days that end with each day', () => {
    const range = { from: new Date('2026-11-20'), to: new Date('2026-11-22') }
    const { sql, parameters } = compiled(activeUsers(without, { range }))
    expect(sql).toContain(
      `"public"."hyperloglog_merge"(case when other.bucket > day.bucket - '7 days'::interval then other.sketch end) as weekly`,
    )
    expect(parameters).toEqual(['1', new Date('2026-10-22'), range.to, 'user', range.from])
  })

  it('of overlap', () => {
    const [hour, other] = [during('10:00', '11:00'), during('09:00', '10:00')]
    const groups = { a: { range: hour, resource: ['urn:a', 'urn:b'] }, b: { range: other, measure: 'distinct_error' } } as const
    expect(compiled(overlap(without, { dimension: 'user', ...groups }))).toEqual({
      sql: oneLine(`
        select "overlap".* from (
          select both_groups.*, coalesce(both_groups.intersection_standard_error > both_groups.intersection_count / 2::float8, true) as noise
          from (
            select "public"."hyperloglog_merge"("part"."distinct_sketch") as sketch from (${part('sketch_1h', 1)} and sketch.resource_id = any (array(
              (select "resource_id" from "public"."dim_resource" as "resource" where "resource"."tenant_id" = $5 and resource.urn = any($6::text[]))
            )) and "public"."require_resources"($7::int8, $8::text[])) as part
          ) as a
          cross join (select "public"."hyperloglog_merge"("part"."error_sketch") as sketch from (${part('sketch_1h', 9)}) as part) as b
          cross join lateral "public"."hyperloglog_overlap"(
            coalesce(a.sketch, decode('118b7f'::text, 'hex'::text)), coalesce(b.sketch, decode('118b7f'::text, 'hex'::text))
          ) as both_groups
        ) as "overlap"`),
      parameters: ['1', hour.from, hour.to, 'user', '1', ['urn:a', 'urn:b'], '1', ['urn:a', 'urn:b'], '1', other.from, other.to, 'user'],
    })
  })

  it('of retention', () => {
    const range = { from: new Date('2026-11-02'), to: new Date('2026-11-16') }
    const utc = (...days: number[]) => days.map((day) => new Date(Date.UTC(2026, 10, day)).toISOString())
    expect(compiled(retention(without, { range, maxPeriods: 3 }))).toEqual({
      sql: oneLine(`
        select "cell".* from (
          with
            period as (
              select begins.period_begin, ends.period_end, begins.number::int4 as number
              from pg_catalog.unnest($1::timestamptz[]) with ordinality as begins (period_begin, number)
              join pg_catalog.unnest($2::timestamptz[]) with ordinality as ends (period_end, number) on ends.number = begins.number
            ),
            seen as materialized (
              select period.number, "public"."hyperloglog_merge"("day"."distinct_sketch") as sketch
              from period
              join (select "sketch"."bucket", "sketch"."distinct_sketch" ${rows('sketch_1d', 3)}) as day
                on day.bucket >= period.period_begin and day.bucket < period.period_end
              group by period.number
            ),
            cell as (
              select
                began.period_begin as cohort,
                later.number - cohort.number as period,
                pair.a_count as cohort_size,
                case when later.number = cohort.number then pair.a_count else pair.intersection_count end as retained,
                case when later.number = cohort.number then 1::float8 else pair.a_share end as ratio,
                case when later.number = cohort.number then 0::float8 else pair.a_share_standard_error end as standard_error
              from seen as cohort
              join period as began on began.number = cohort.number
              join period as later on later.number >= cohort.number and later.number <= cohort.number + $7::int4
              left join seen as again on again.number = later.number
              cross join lateral "public"."hyperloglog_overlap"(
                cohort.sketch, coalesce(case when later.number > cohort.number then again.sketch end, decode('118b7f'::text, 'hex'::text))
              ) as pair
            )
          select cell.*, coalesce(cell.standard_error > cell.ratio / 2::float8, true) as noise from cell order by cohort, period
        ) as "cell"`),
      parameters: [utc(2, 9), utc(9, 16), '1', range.from, range.to, 'user', 3],
    })
  })
})

describe('reads of sketches', () => {
  it('compare times of as many five minutes, wherever these begin', () => {
    expect(() => cardinalityGrowth(scope, { range: during('10:02', '11:02'), baseline: during('09:00', '10:00') })).not.toThrow()
    expect(() => cardinalityGrowth(scope, { range: during('10:00', '11:00'), baseline: during('09:00', '09:30') })).toThrow(
      'baseline: must have as many five-minute buckets as range, 12, got 6',
    )
  })

  it('refuse more than 60 cohorts, and groups that are none', () => {
    const days = { from: new Date('2026-01-01'), to: new Date('2026-03-03') }
    expect(() => retention(scope, { range: days, by: 'day' })).toThrow('range: must contain the beginnings of at most 60 days')
    expect(() => retention(scope, { range: { ...days, to: new Date('2026-03-02') }, by: 'day' })).not.toThrow()
    expect(() => retention(scope, { range, maxPeriods: 61 })).toThrow('maxPeriods')
    expect(() => overlap(scope, { dimension: 'user', a: { range, resource: [] }, b: { range } })).toThrow(
      'a.resource: must name at least one',
    )
    expect(() => overlap(scope, { dimension: 'user', a: { range }, b: { range, resource: ['urn:a', ''] } })).toThrow('b.resource[1]')
    expect(() => overlap(scope, { dimension: 'user', a: { range }, b: {} as never })).toThrow('b.range')
  })

  it.each([
    [{ dimension: '', range }, 'dimension'],
    [{ dimension: 'user', range, resource: '' }, 'resource'],
    [{ dimension: 'user', range: { from: range.to, to: range.from } }, 'range'],
    [{ dimension: 'user', range, measure: 'users' }, 'measure'],
  ])('refuse %j', (options, field) => {
    expect(() => distinctOver(scope, options as never)).toThrow(field)
  })
})
