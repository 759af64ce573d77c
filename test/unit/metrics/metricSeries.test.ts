import { describe, expect, it } from 'vitest'
import { metricSeries } from '../../../src/metrics/metricSeries.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const range = during('10:00', '11:00')
const minutes = `
  from "public"."metric_1m" as "metric"
  inner join "public"."dim_resource" as "resource"
  on "resource"."tenant_id" = "metric"."tenant_id" and "resource"."resource_id" = "metric"."resource_id"
  where "metric"."tenant_id" = $1 and "metric"."metric" = $2 and "metric"."bucket" >= $3 and "metric"."bucket" < $4`

describe('the exact SQL', () => {
  it('of single series', () => {
    expect(compiled(metricSeries(scope, { metric: 'cpu', resource: 'urn:a', labels: { core: 1 }, measure: 'max', range }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select case when "metric"."labels" = '{}' then "resource"."urn" else "resource"."urn" || ' ' || "metric"."labels"::text end as "series",
            "metric"."bucket", "metric"."max_val" as "value" ${minutes} and "resource"."urn" = $5 and "metric"."labels" @> $6::jsonb
          order by "series", "bucket"
        ) as "point"`),
      parameters: ['1', 'cpu', range.from, range.to, 'urn:a', '{"core":1}'],
    })
  })

  it.each([
    [
      'avg',
      `sum("metric"."avg_val" * "metric"."sample_count")
        / nullif(sum("metric"."sample_count") filter (where "metric"."avg_val" is not null), 0)::float8`,
    ],
    ['max', 'max("metric"."max_val")'],
    [
      'p95',
      `"public"."exp_histogram_quantile"("public"."exp_histogram_merge"(
        coalesce("metric"."histogram", case when "metric"."sample_count" = 1 then "public"."exp_histogram"("metric"."avg_val") end)), 0.95)`,
    ],
    ['count', 'sum("metric"."sample_count")::float8'],
  ] as const)('of %s by resource', (measure, value) => {
    expect(compiled(metricSeries(scope, { metric: 'cpu', measure, range, by: 'resource' }))).toEqual({
      sql: oneLine(`
        select "point".* from (
          select "resource"."urn" as "series", "metric"."bucket", ${value} as "value" ${minutes}
          group by "resource"."urn", "metric"."bucket" order by "series", "bucket"
        ) as "point"`),
      parameters: ['1', 'cpu', range.from, range.to],
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
    ['resource', { ...good, resource: 'a\u0000' }],
    ['labels', { ...good, labels: bad('"GET"') }],
    ['labels.code', { ...good, labels: { code: Number.NaN } }],
    ['measure', { ...good, measure: bad('"p99"') }],
    ['by', { ...good, by: bad('"tenant"') }],
    ['range.from', { ...good, range: { from: range.to, to: range.from } }],
  ])('%s (%#)', (field, options) => {
    expect(() => metricSeries(scope, options)).toThrow(InvalidInputError)
    expect(() => metricSeries(scope, options)).toThrow(new RegExp(`^${field.replace('.', '\\.')}: `))
  })
})
