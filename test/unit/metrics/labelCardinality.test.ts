import { describe, expect, it } from 'vitest'
import { labelCardinality } from '../../../src/metrics/labelCardinality.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const range = during('10:00', '11:00')
const named = `case when pg_catalog.jsonb_typeof(series.labels) = 'object' then series.labels else '{}' end`
const item = `counted.metric || ' ' || pg_catalog.to_json(counted.label)::text`
const columns = '"known"."metric", "known"."resource_id", "known"."labels"'

/** Around the rows of `series`; `tenant` is the last parameter. */
const around = (series: string, tenant: string) =>
  oneLine(`
    select "label".* from (
      with series as (${series}),
      cut as (
        select series.metric, series.resource_id, cut.label, cut.remainder
        from series cross join lateral (
          select null::text as label, series.labels as remainder
          union all
          select key.label, series.labels - key.label from pg_catalog.jsonb_object_keys(${named}) as key (label)
        ) as cut
      ),
      rest as (
        select cut.metric, cut.resource_id, pg_catalog.array_agg(cut.label) as labels,
          bool_or(cut.label is null) as is_series
        from cut group by cut.metric, cut.resource_id, cut.remainder
      ),
      sent as (
        select rest.metric, rest.resource_id, taken.label, sum(taken.merged) as labelled,
          pg_catalog.count(*) filter (where not rest.is_series) as remaining
        from rest
        cross join lateral (
          select one.label, pg_catalog.count(*) as merged from pg_catalog.unnest(rest.labels) as one (label) group by one.label
        ) as taken
        group by rest.metric, rest.resource_id, taken.label
      ),
      counted as (
        select sent.metric, sent.label, sum(sent.labelled) as labelled, sum(sent.remaining) as remaining,
          sum(sum(sent.labelled) filter (where sent.label is null)) over (partition by sent.metric) as series_count,
          (pg_catalog.array_agg(resource.urn order by sent.labelled desc, resource.urn collate "C"))[1] as top_urn,
          max(sent.labelled) as top_count
        from sent
        join "public"."dim_resource" as resource on resource.tenant_id = ${tenant} and resource.resource_id = sent.resource_id
        group by sent.metric, sent.label
      ),
      valued as (
        select known.metric, known.label, pg_catalog.count(*) as value_count
        from (
          select distinct series.metric, pair.label, pair.value
          from series cross join lateral pg_catalog.jsonb_each(${named}) as pair (label, value)
        ) as known
        group by known.metric, known.label
      )
      select counted.metric, counted.label, counted.series_count::float8 as series_count, counted.labelled::float8 as labelled_count,
        valued.value_count::float8 as value_count,
        (counted.series_count - counted.labelled + counted.remaining)::float8 as reduced_count,
        (counted.labelled - counted.remaining)::float8 / counted.series_count::float8 as series_share,
        counted.top_urn, counted.top_count::float8 as top_count,
        ${item} as item, (counted.labelled - counted.remaining)::float8 as score
      from counted
      join valued on valued.metric = counted.metric and valued.label = counted.label
      order by score desc, (${item}) collate "C"
    ) as "label"`)

const rows = (table: string) => `
  select ${columns} from "public"."metric_series" as "known"
  cross join lateral (
    select "metric"."series_id" from "public"."${table}" as "metric"
    where "metric"."series_id" = "known"."series_id" and case when "metric"."tenant_id" = $1::int8 then true else false end
      and "metric"."bucket" >= $2 and "metric"."bucket" < $3
    limit 1
  ) as "found"
  where known.tenant_id = $4::int8`
const since = (parameter: number) => `and known.last_day >= ($${parameter}::timestamptz at time zone 'UTC')::date`

describe('the exact SQL', () => {
  it('of all metrics', () => {
    expect(compiled(labelCardinality(scope, { range }))).toEqual({
      sql: around(`${rows('metric_1m')} ${since(5)}`, '$6'),
      parameters: ['1', range.from, range.to, '1', range.from, '1'],
    })
  })

  it('of some metrics of a resource, over a month', () => {
    const month = { from: new Date(range.to.getTime() - 30 * 86_400_000), to: range.to }
    const some = `${rows('metric_1h')} and "known"."metric" = any($5::text[]) and known.resource_id = any(array(
      select given.resource_id from "public"."dim_resource" as given where given.tenant_id = $6::int8 and "given"."urn" = $7
    )) ${since(8)} and "public"."require_resources"($9::int8, $10::text[])`
    expect(compiled(labelCardinality(scope, { metric: ['a', 'b'], resource: 'urn:a', range: month }))).toEqual({
      sql: around(some, '$11'),
      parameters: ['1', month.from, month.to, '1', ['a', 'b'], '1', 'urn:a', month.from, '1', ['urn:a'], '1'],
    })
  })
})

it.each([
  ['metric', { metric: '' }],
  ['metric', { metric: [] }],
  ['metric[1]', { metric: ['a', 'x'.repeat(256)] }],
  ['resource', { resource: '' }],
  ['resource[0]', { resource: ['a\u0000b'] }],
  ['range.from', { range: { from: range.to, to: range.from } }],
  ['options', { label: 'user' }],
])('refuses a bad %s by name (%#)', (field, options) => {
  const call = () => labelCardinality(scope, { range, ...options })
  expect(call).toThrow(InvalidInputError)
  expect(call).toThrow(new RegExp(`^${field.replaceAll(/[.[\]]/g, String.raw`\$&`)}: `))
})
