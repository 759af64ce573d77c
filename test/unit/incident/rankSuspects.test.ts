import { describe, expect, it } from 'vitest'
import { bounded } from '../../../src/database/sql/bounded.ts'
import { callOddities } from '../../../src/incident/callOddities.ts'
import { meaningOfMetrics } from '../../../src/incident/metricMeanings.ts'
import { rankSuspects } from '../../../src/incident/rankSuspects.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'
import { lookedUp } from '../../support/compiled.ts'

const windows = { range: during('10:30', '10:45'), baseline: during('10:00', '10:30') }
const { range, baseline } = windows
const scope = unitScope({ installation: { schema: 'obs' } })

const flat = (sql: string) => sql.replaceAll(/--[^\n]*/g, '').replaceAll(/\s+/g, ' ')

const quantiles = '"obs"."exp_histogram_quantiles"'
const collect = '"obs"."exp_histogram_collect"(histogram order by bucket)'
const tenths = 'array[0.05, 0.15, 0.25, 0.35, 0.45, 0.55, 0.65, 0.75, 0.85, 0.95]::float8[]'
const mean = (column: string) =>
  `( select avg(greatest(-1e100, least(1e100, ${bounded('value')}))) from pg_catalog.unnest(("${column}")[3:]) as value )`
const logs = (column: string) => {
  const log = `ln(greatest(${bounded('value')}, 0.001))`
  return `( select avg(${log}) as mean, var_pop(${log}) as variance from pg_catalog.unnest(("${column}")[3:]) as value )`
}
const wilson = (end: string, share: string, count: string) =>
  `(${share} + 1.96::float8 ^ 2::float8 / (2::float8 * ${count}) ${end} 1.96::float8 * sqrt( ${share} * (1::float8 - ${share}) / ${count} + 1.96::float8 ^ 2::float8 / (4::float8 * ${count} ^ 2::float8) )) / (1::float8 + 1.96::float8 ^ 2::float8 / ${count})`

/** What both begin with, with its parameters. */
const odd =
  'compared_call as materialized ( select src_resource_id as src, dst_resource_id as dst, ' +
  'coalesce(sum(call_count) filter (where is_now), 0)::float8 as calls, ' +
  'coalesce(sum(error_count) filter (where is_now), 0)::float8 as errors, ' +
  'coalesce(sum(call_count) filter (where not is_now), 0)::float8 as calls_before, ' +
  'coalesce(sum(error_count) filter (where not is_now), 0)::float8 as errors_before, ' +
  'coalesce(sum(call_count) filter (where is_now and histogram is not null), 0)::float8 as measured_calls, ' +
  'coalesce(sum(call_count) filter (where not is_now and histogram is not null), 0)::float8 as measured_before, ' +
  'max(p95_ms) filter (where is_now) as most_now, min(p95_ms) filter (where not is_now) as least_before, ' +
  `${collect} filter (where is_now) as histograms, ${collect} filter (where not is_now) as histograms_before ` +
  'from ( select src_resource_id, dst_resource_id, bucket, call_count, error_count, ' +
  `${bounded('p95_ms')} as p95_ms, ` +
  'bucket >= $1::timestamptz and bucket < $2::timestamptz as is_now, ' +
  'coalesce(histogram, case when call_count = 1 then "obs"."exp_histogram"(p50_ms) end) as histogram ' +
  'from "obs"."service_call_5m" where tenant_id = $3::int8 and ' +
  '(bucket >= $4::timestamptz and bucket < $5::timestamptz or bucket >= $6::timestamptz and bucket < $7::timestamptz) ' +
  ') as call group by src_resource_id, dst_resource_id ), ' +
  `call_measure as ( select src, dst, calls, calls_before, 'p95_ms' as measure, ` +
  `${bounded('quantile_before[1]')} as expected, ${bounded('quantile[1]')} as actual, ` +
  `${bounded('quantile_before[2]')} as at_most, ${bounded('quantile[2]')} as at_least, ` +
  `$8::float8 as factor, $9::float8 as rise, calls * (${mean('quantile')} - ${mean('quantile_before')}) as lost, ` +
  `greatest( log_now.mean - log_before.mean, ln(greatest(${bounded('quantile[1]')}, 0.001)) - ln(greatest(${bounded('quantile_before[1]')}, 0.001)) ) / sqrt( ` +
  'greatest(0.01, coalesce((log_now.variance * measured_calls + log_before.variance * measured_before) / (measured_calls + measured_before), 0::float8)) ' +
  '* (1::float8 / measured_calls + 1::float8 / measured_before) ) as z ' +
  'from compared_call cross join lateral ( select ' +
  `${quantiles}("histograms", pg_catalog.array_cat(array[0.95, ${wilson('-', '0.95::float8', 'measured_calls')}], ${tenths})) as quantile, ` +
  `${quantiles}("histograms_before", pg_catalog.array_cat(array[0.95, ${wilson('+', '0.95::float8', 'measured_before')}], ${tenths})) as quantile_before offset 0 ) as of_both ` +
  `cross join lateral ${logs('quantile')} as log_now cross join lateral ${logs('quantile_before')} as log_before ` +
  'where measured_calls >= $10::float8 and measured_before > 0::float8 and coalesce(most_now * 1.1::float8 > least_before * $11::float8, true) ' +
  "union all select src, dst, calls, calls_before, 'err_rate', " +
  'coalesce(errors_before / nullif(calls_before, 0::float8), 0), errors / calls, ' +
  `${wilson('+', '((errors_before + 20::float8 * overall.err_rate) / (calls_before + 20::float8))', '(calls_before + 20::float8)')}, ` +
  `${wilson('-', '(errors / calls)', 'calls')}, $12::float8, $13::float8, ` +
  'errors - calls * coalesce(errors_before / nullif(calls_before, 0::float8), 0), ' +
  '2::float8 * (sqrt(errors + 0.375::float8) - sqrt((calls * errors_before / nullif(calls_before, 0::float8)) + 0.375::float8)) ' +
  '/ sqrt(1::float8 * (1::float8 + (calls / nullif(calls_before, 0::float8)))) from compared_call ' +
  'cross join (select coalesce(sum(errors_before) / nullif(sum(calls_before), 0::float8), 0) as err_rate from compared_call) as overall where calls >= $14::float8 ), ' +
  'odd_measure as ( select src, dst, calls, calls_before, measure, expected, actual, actual - expected as rise, lost, ' +
  'case when calls_before = 0::float8 then 1::float8 else coalesce(greatest(0::float8, 1::float8 - 4::float8 / nullif((z) * (z), 0::float8)), 0::float8) end as certain from call_measure ' +
  'where at_least > at_most and at_least > expected * factor and at_least - expected > rise )'
const given = [range.from, range.to, '1', range.from, range.to, baseline.from, baseline.to]

it('callOddities is one statement over finished rows', () => {
  const { sql, parameters } = callOddities(scope, windows).where('measure', '=', 'err_rate').compile()
  expect(flat(sql)).toBe(
    'select "oddity".* from (select "odd"."src", "odd"."dst", "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn", ' +
      `"odd"."measure", "odd"."expected", "odd"."actual", "odd"."rise", "odd"."call_count" from ( with ${odd} ` +
      'select src, dst, measure, expected, actual, rise, calls as call_count from odd_measure ) as "odd" ' +
      `${lookedUp('odd.src', 15, 'caller', { schema: 'obs' })} ${lookedUp('odd.dst', 16, 'callee', { schema: 'obs' })} ` +
      'order by ("odd"."measure") collate "C", "odd"."rise" desc, ("caller"."urn") collate "C", ("callee"."urn") collate "C") as "oddity" where "measure" = $17',
  )
  expect(parameters).toEqual([...given, 2, 50, 5, 2, 2, 0.02, 5, '1', '1', 'err_rate'])
})

describe('rankSuspects', () => {
  it('begins with the same comparison, follows it, reads metrics of who was reached, accounts, looks for changes, and ends in finished rows', () => {
    const thresholds = { latencyFactor: 3, latencyRiseMs: 5, errorFactor: 4, errorRise: 0.5, minCalls: 7, deviations: 9 }
    const { sql, parameters } = rankSuspects(scope, { service: 'urn:a', ...windows, thresholds })
      .where('score', '>', 0.5)
      .compile()
    const text = flat(sql)
    expect(text.startsWith(`select "suspect".* from ( with recursive ${odd}, odd_call as (`)).toBe(true)
    const parts = [...text.matchAll(/(?:, |recursive )([a-z_]+)(?: \([a-z_, ]+\))? as (?:materialized )?\( (?:select|with)/g)]
    expect(parts.map(([, name]) => name).join(' ')).toBe(
      'compared_call call_measure odd_measure odd_call unmeasured_dependency followed_edge walked_trouble reached_trouble ' +
        'reached_resource asked_bucket asked edge level met no_graph searched_resource known_metric measured_metric ' +
        'busier_resource departed_metric compared_metric odd_metric logged logging compared_pattern pattern_change made_call ' +
        'compared_shape candidate_shape shape_squares shape_change silent_resource saturated_resource starved_resource ' +
        'incoming_odd_call called_resource observed_loss underlying_resource explained_loss own_loss host_loss ' +
        'accounted_loss noticeable_loss share_of_loss scored_trouble changed_doing changed_resource ' +
        'troubled_resource own_change path_to_change suspect evidence oddest_evidence collected_evidence previous_trouble ' +
        'path_to_trouble shortest_path',
    )
    // Every table of a tenant's is filtered by the tenant.
    const tables = text.match(
      /"obs"\."(?:metric_1m|metric_series|topo_edge_time|service_call_5m|log_pattern_5m|log_pattern|dim_resource)"/g,
    )
    // A pattern that became part of another is looked up by its id.
    const byId = text.match(/from "obs"\."log_pattern" as merged where merged\.fingerprint_id = /g)
    expect(text.match(/tenant_id"? = \$\d+/g)).toHaveLength(tables!.length - byId!.length)
    const all = [...meaningOfMetrics([])]
    const metrics = all.filter(([, means]) => means === 'cpu' || means === 'saturation').map(([metric]) => metric)
    expect(parameters).toContainEqual(metrics)
    expect(parameters).toEqual(expect.arrayContaining([...given, 3, 5, 4, 0.5, 7, 9]))
    expect(
      text.endsWith(
        `order by suspect.score desc, suspect.depth desc nulls last, resource.urn collate "C" ) as "suspect" where "score" > $${parameters.length}`,
      ),
    ).toBe(true)
  })

  it('measures the kinds of trouble by themselves where one is known to hurt', () => {
    const text = (trouble?: 'errors') => flat(rankSuspects(scope, { service: 'urn:a', ...windows, trouble }).compile().sql)
    expect(text()).toContain('greatest(1, max(lost / noticeable) over ())')
    expect(text('errors')).toMatch(
      /greatest\(case trouble when \$\d+::text then 0 else 1 end, max\(lost \/ noticeable\) over \(partition by trouble\)\)/,
    )
  })
})

describe('meaningOfMetrics', () => {
  it('knows the names of the conventions, and lets the caller say otherwise', () => {
    const known = meaningOfMetrics([])
    expect(known.get('http.server.request.duration')).toBe('latency')
    expect(known.get('container.cpu.usage')).toBe('cpu')
    expect(known.get('container.memory.usage')).toBe('saturation')
    expect(known.get('http.client.request.duration')).toBeUndefined()
    const told = meaningOfMetrics([
      { metric: 'shop.good', means: 'availability' },
      { metric: 'jvm.gc.duration', means: 'cpu' },
    ])
    expect([told.get('shop.good'), told.get('jvm.gc.duration')]).toEqual(['availability', 'cpu'])
    expect(told.size).toBe(known.size + 1)
  })
})
