import { describe, expect, it } from 'vitest'
import { bounded } from '../../../src/database/sql/bounded.ts'
import { latestMetrics } from '../../../src/metrics/latestMetrics.ts'
import { metricSeries } from '../../../src/metrics/metricSeries.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const range = during('10:00', '11:00')
const since = (parameter: number) => `known.last_day >= ($${parameter}::timestamptz at time zone 'UTC')::date`
/** The condition that chooses series, its parameters from `$first` on, and the range, whose parameters are the next ones. */
const chosen = (first: number, more: readonly string[] = [], metric = `= $${first + 1}`) => {
  const next = first + 3 + (more.join('').match(/\$/g) ?? []).length
  return `where "metric"."series_id" = any(array(
    select known.series_id from "public"."metric_series" as known
    where ${[`known.tenant_id = $${first}::int8`, `"known"."metric" ${metric}`, ...more, since(next - 1)].join(' and ')}
  )) and "metric"."bucket" >= $${next} and "metric"."bucket" < $${next + 1}`
}
const ofResources = (tenant: number, urns: string) => `known.resource_id = any(array(
  select given.resource_id from "public"."dim_resource" as given where given.tenant_id = $${tenant}::int8 and "given"."urn" ${urns}
))`
const from = (table: string) => `
  from "public"."${table}" as "metric"
  inner join "public"."dim_resource" as "resource"
  on "resource"."resource_id" = "metric"."resource_id" and case when "resource"."tenant_id" = $1::int8 then true else false end`
const rows = (table: string) => `${from(table)} ${chosen(2)}`
const minutes = rows('metric_1m')
const named = `case when metric.labels = '{}' then resource.urn else resource.urn || ' ' || metric.labels::text end`
const binned = (milliseconds: number) =>
  `date_bin('${milliseconds} milliseconds'::interval, "metric"."bucket", '2000-01-03T00:00:00Z'::timestamptz)`
const average = (weight: string) => `
  sum((${bounded('metric.avg_val')}) * metric.${weight}::float8) filter (where metric.${weight} > 0)
    / nullif(sum(metric.${weight}) filter (where metric.avg_val is not null), 0::numeric)::float8`

describe('the exact SQL', () => {
  it('of single series', () => {
    expect(compiled(metricSeries(scope, { metric: 'cpu', resource: 'urn:a', labels: { core: 1 }, measure: 'max', range }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select ${named} as "series", "metric"."bucket" as "bucket", metric.max_val as "value", "metric"."resource_id", "metric"."labels"
          ${from('metric_1m')} ${chosen(2, ['known.labels @> $4::jsonb', ofResources(5, '= $6')])}
          and "public"."require_resources"($10::int8, $11::text[])
          order by (${named}) collate "C", "bucket"
        ) as "point"`),
      parameters: ['1', '1', 'cpu', '{"core":1}', '1', 'urn:a', range.from, range.from, range.to, '1', ['urn:a']],
    })
  })

  it.each([
    ['avg', average('sample_count')],
    ['max', 'max(metric.max_val)'],
    [
      'p95',
      `"public"."exp_histogram_quantile"("public"."exp_histogram_merge"(
        coalesce(metric.histogram, case when metric.sample_count = 1 then "public"."exp_histogram"(metric.avg_val) end)), 0.95::float8)`,
    ],
    ['count', 'sum(metric.sample_count)::float8'],
  ] as const)('of %s by resource', (measure, value) => {
    expect(compiled(metricSeries(scope, { metric: 'cpu', measure, range, by: 'resource' }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select resource.urn as "series", "metric"."bucket" as "bucket", ${value} as "value", "resource"."resource_id" ${minutes}
          group by "resource"."resource_id", "metric"."bucket" order by (resource.urn) collate "C", "bucket"
        ) as "point"`),
      parameters: ['1', '1', 'cpu', range.from, range.from, range.to],
    })
  })

  it('of several metrics of several resources, by the quarter of an hour', () => {
    const query = metricSeries(scope, { metric: ['a', 'b'], resource: ['urn:a', 'urn:b'], measure: 'max', range, resolution: '15 minutes' })
    expect(compiled(query)).toEqual({
      sql: oneLine(`
        select "point".* from (
          select metric.metric || ' ' || ${named} as "series", ${binned(900_000)} as "bucket", max(metric.max_val) as "value",
            "resource"."resource_id", "metric"."labels"
          ${from('metric_1m')} ${chosen(2, [ofResources(4, '= any($5::text[])')], '= any($3::text[])')}
          and "public"."require_resources"($9::int8, $10::text[])
          group by "resource"."resource_id", "metric"."metric", ${binned(900_000)}, "metric"."labels"
          order by (metric.metric || ' ' || ${named}) collate "C", "bucket"
        ) as "point"`),
      parameters: ['1', '1', ['a', 'b'], '1', ['urn:a', 'urn:b'], range.from, range.from, range.to, '1', ['urn:a', 'urn:b']],
    })
  })

  it('of a month, from the hours', () => {
    const month = { from: new Date(range.to.getTime() - 30 * 86_400_000), to: range.to }
    expect(compiled(metricSeries(scope, { metric: 'cpu', measure: 'avg', range: month })).sql).toBe(
      oneLine(`
        select "point".* from (
          select ${named} as "series", "metric"."bucket" as "bucket", metric.avg_val as "value", "metric"."resource_id", "metric"."labels"
          ${rows('metric_1h')} order by (${named}) collate "C", "bucket"
        ) as "point"`),
    )
    expect(compiled(metricSeries(scope, { metric: 'cpu', measure: 'avg', range: month, by: 'resource' })).sql).toContain(
      oneLine(`${average('avg_weight')} as "value"`),
    )
  })

  it('of all resources together, which are looked up only to be chosen from', () => {
    const together = (options: { resource?: string }) =>
      compiled(metricSeries(scope, { metric: 'cpu', measure: 'max', range, by: 'metric', ...options }))
    expect(together({})).toEqual({
      sql: oneLine(`
        select "point".* from (
          select metric.metric as "series", "metric"."bucket" as "bucket", max(metric.max_val) as "value" from "public"."metric_1m" as "metric"
          ${chosen(1)}
          group by "metric"."metric", "metric"."bucket" order by "bucket"
        ) as "point"`),
      parameters: ['1', 'cpu', range.from, range.from, range.to],
    })
    expect(together({ resource: 'urn:a' }).sql).toContain(
      oneLine(`${chosen(1, [ofResources(3, '= $4')])} and "public"."require_resources"($8::int8, $9::text[]) group by`),
    )
  })

  it('of what was measured last', () => {
    expect(compiled(latestMetrics(scope, { metric: 'cpu', resource: 'urn:a', measure: 'max', range }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select ${named} as "series", "metric"."bucket" as "bucket", metric.max_val as "value", "metric"."resource_id", "metric"."labels"
          from "public"."dim_resource" as "resource" cross join pg_catalog.unnest($1::text[]) as wanted (name) cross join lateral (
            select "of_series".* from "public"."metric_series" as "known" cross join lateral (
              select "of_series".* from "public"."metric_1m" as "of_series"
              where "of_series"."series_id" = "known"."series_id" and case when "of_series"."tenant_id" = $2::int8 then true else false end
                and "of_series"."bucket" >= $3 and "of_series"."bucket" < $4
              order by "of_series"."bucket" desc limit 1
            ) as "of_series"
            where "known"."tenant_id" = $5 and "known"."resource_id" = "resource"."resource_id" and "known"."metric" = "wanted"."name" and ${since(6)}
            order by "of_series"."bucket" desc fetch next $7 rows with ties
          ) as "metric"
          where "resource"."tenant_id" = $8 and resource.urn = any($9::text[]) and "public"."require_resources"($10::int8, $11::text[]) order by (${named}) collate "C", "bucket"
        ) as "point"`),
      parameters: [['cpu'], '1', range.from, range.to, '1', range.from, 1, '1', ['urn:a'], '1', ['urn:a']],
    })
  })
})

describe('bad input is refused by name', () => {
  /** A value whose type says nothing, as JavaScript callers have them. */
  const bad = (text: string) => JSON.parse(text)
  const good = { metric: 'cpu', measure: 'avg', range } as const

  it.each([
    ['metric', { ...good, metric: '' }],
    ['metric', { ...good, metric: 'x'.repeat(256) }],
    ['metric', { ...good, metric: [] }],
    ['metric[1]', { ...good, metric: ['cpu', ''] }],
    ['resource[0]', { ...good, resource: [bad('7')] }],
    ['resolution', { ...good, resolution: '90 seconds' }],
    ['resolution', { ...good, resolution: 'an hour' }],
    ['resource', { ...good, resource: 'a\u0000' }],
    ['labels', { ...good, labels: bad('"GET"') }],
    ['labels.code', { ...good, labels: { code: Number.NaN } }],
    ['measure', { ...good, measure: bad('"p99"') }],
    ['by', { ...good, by: bad('"tenant"') }],
    ['range.from', { ...good, range: { from: range.to, to: range.from } }],
  ])('%s (%#)', (field, options) => {
    expect(() => metricSeries(scope, options)).toThrow(InvalidInputError)
    expect(() => metricSeries(scope, options)).toThrow(new RegExp(`^${field.replace(/[.[\]]/g, '\\$&')}: `))
  })
})
