import { describe, expect, it } from 'vitest'
import { activeUsers, distinctOver, distinctSeries, heavyHitters } from '../../../src/cardinality/index.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const without = unitScope({ hllSchema: null })
const range = during('09:55', '11:00')
const rows = (table: string, first: number) => `
  from "public"."${table}" as "sketch"
  inner join "public"."dim_resource" as "resource" on "resource"."tenant_id" = "sketch"."tenant_id" and "resource"."resource_id" = "sketch"."resource_id"
  where "sketch"."tenant_id" = $${first} and "sketch"."bucket" >= $${first + 1} and "sketch"."bucket" < $${first + 2} and "sketch"."dimension" = $${first + 3}`
const part = (table: string, first: number) => `
  select "resource"."resource_id", "resource"."urn", "sketch"."dimension", "sketch"."count_total", "sketch"."count_error", "sketch"."distinct_sketch",
    "sketch"."error_sketch", "sketch"."heavy_hitters" ${rows(table, first)}`
const relativeError = 1.04 / Math.sqrt(2048)

describe('the exact SQL', () => {
  it.each([
    ['with the extension', scope, '"public"."hll_send"("public"."hll_union_agg"(("part"."distinct_sketch")::"public"."hll"))'],
    ['without', without, '"public"."hyperloglog_merge"("part"."distinct_sketch")'],
  ])('of distinctOver, %s: the five minutes before the hour, and the hour', (_, on, union) => {
    expect(compiled(distinctOver(on, { dimension: 'user', range }))).toEqual({
      sql: oneLine(`
        select "values".* from (
          select counted.urn, counted.distinct_count,
            case when get_byte(counted.sketch, 0) > 18 then counted.distinct_count * ${relativeError}::float8 else 0::float8 end as standard_error,
            counted.count_total, counted.count_error
          from (
            select merged.*, coalesce("public"."hyperloglog_ertl"(merged.sketch), 0::float8) as distinct_count
            from (
              select null::text as urn, ${union} as sketch, coalesce(sum(part.count_total), 0::numeric)::float8 as count_total,
                coalesce(sum(part.count_error), 0::numeric)::float8 as count_error
              from (${part('sketch_5m', 1)} union all ${part('sketch_1h', 5)}) as part
            ) as merged
          ) as counted order by distinct_count desc, ("counted"."urn") collate "C"
        ) as "values"`),
      parameters: ['1', range.from, during('10:00', '11:00').from, 'user', '1', during('10:00', '11:00').from, range.to, 'user'],
    })
  })

  it('of distinctSeries', () => {
    expect(compiled(distinctSeries(without, { dimension: 'user', range }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select "merged"."series", "merged"."bucket", coalesce("public"."hyperloglog_ertl"(merged.measured), 0::float8) as "value", "merged"."resource_id"
          from (
            select "sketch"."bucket" as "bucket", "public"."hyperloglog_merge"("sketch"."distinct_sketch") as "measured", $1::text as "series",
              null::int8 as "resource_id" ${rows('sketch_5m', 2)}
            group by "sketch"."bucket"
          ) as "merged" order by ("merged"."series") collate "C", "merged"."bucket"
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
})

describe('reads of sketches', () => {
  it.each([
    [{ dimension: '', range }, 'dimension'],
    [{ dimension: 'user', range, resource: '' }, 'resource'],
    [{ dimension: 'user', range: { from: range.to, to: range.from } }, 'range'],
    [{ dimension: 'user', range, measure: 'users' }, 'measure'],
  ])('refuse %j', (options, field) => {
    expect(() => distinctOver(scope, options as never)).toThrow(field)
  })
})
