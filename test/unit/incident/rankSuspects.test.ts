import { describe, expect, it } from 'vitest'
import { callOddities } from '../../../src/incident/callOddities.ts'
import { meaningOfMetrics } from '../../../src/incident/measures.ts'
import { rankSuspects } from '../../../src/incident/rankSuspects.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const windows = { range: during('10:30', '10:45'), baseline: during('10:00', '10:30') }
const { range, baseline } = windows
const scope = unitScope({ installation: { schema: 'obs' } })

const flat = (sql: string) => sql.replaceAll(/--[^\n]*/g, '').replaceAll(/\s+/g, ' ')

const merged = '"obs"."exp_histogram_merge"(histogram)'
const quantile = '"obs"."exp_histogram_quantile"'
const counted = '"obs"."exp_histogram_count"'
const wilson = (end: string, share: string, count: string) =>
  `(${share} + 1.9208 / ${count} ${end} 1.96 * sqrt(${share} * (1 - ${share}) / ${count} + 0.9604 / ${count} ^ 2)) / (1 + 3.8416 / ${count})`

/** What both begin with, with its parameters. */
const odd =
  `compared as ( select *, ${counted}(histogram)::float8 as measured_calls, ${counted}(histogram_before)::float8 as measured_before ` +
  'from ( select src_resource_id as src, dst_resource_id as dst, ' +
  'coalesce(sum(call_count) filter (where is_now), 0)::float8 as calls, ' +
  'coalesce(sum(error_count) filter (where is_now), 0)::float8 as errors, ' +
  'coalesce(sum(call_count) filter (where not is_now), 0)::float8 as calls_before, ' +
  'coalesce(sum(error_count) filter (where not is_now), 0)::float8 as errors_before, ' +
  `${merged} filter (where is_now) as histogram, ${merged} filter (where not is_now) as histogram_before ` +
  'from ( select src_resource_id, dst_resource_id, call_count, error_count, ' +
  'bucket >= $1::timestamptz and bucket < $2::timestamptz as is_now, ' +
  'coalesce(histogram, case when call_count = 1 then "obs"."exp_histogram"(p95_ms) end) as histogram ' +
  'from "obs"."service_call_5m" where tenant_id = $3::int8 and ' +
  '(bucket >= $4::timestamptz and bucket < $5::timestamptz or bucket >= $6::timestamptz and bucket < $7::timestamptz) ' +
  ') as call group by src_resource_id, dst_resource_id ) as both_windows ), ' +
  `measured as ( select src, dst, calls, calls_before, 'p95_ms' as measure, histogram, histogram_before, ` +
  `${quantile}(histogram_before, 0.95) as expected, ${quantile}(histogram, 0.95) as actual, ` +
  `${quantile}(histogram_before, ${wilson('+', '0.95', 'measured_before')}) as at_most, ` +
  `${quantile}(histogram, ${wilson('-', '0.95', 'measured_calls')}) as at_least, ` +
  '$8::float8 as factor, $9::float8 as rise from compared where measured_calls >= $10::int4 and measured_before > 0 ' +
  "union all select src, dst, calls, calls_before, 'err_rate', null, null, " +
  'coalesce(errors_before / nullif(calls_before, 0), 0), errors / calls, ' +
  `case when calls_before = 0 then 0 else ${wilson('+', '(errors_before / calls_before)', 'calls_before')} end, ` +
  `${wilson('-', '(errors / calls)', 'calls')}, $11::float8, $12::float8 from compared where calls >= $13::int4 ), ` +
  'odd as ( select src, dst, calls, calls_before, measure, expected, actual, actual - expected as rise, ' +
  "calls * case measure when 'err_rate' then actual - expected else least(1e100, ( " +
  `select avg(${quantile}(histogram, (tenth + 0.5) / 10) - ${quantile}(histogram_before, (tenth + 0.5) / 10)) ` +
  'from generate_series(0, 9) as tenth )) end as lost from measured ' +
  'where at_least > at_most and at_least > expected * factor and at_least - expected > rise )'
const given = [range.from, range.to, '1', range.from, range.to, baseline.from, baseline.to]

it('callOddities is one statement over finished rows', () => {
  const { sql, parameters } = callOddities(scope, windows).where('measure', '=', 'err_rate').compile()
  expect(flat(sql)).toBe(
    `select "oddity".* from ( with ${odd} ` +
      'select odd.src as src_resource_id, odd.dst as dst_resource_id, caller.urn as src_urn, callee.urn as dst_urn, ' +
      'odd.measure, odd.expected, odd.actual, odd.rise, odd.calls as call_count from odd ' +
      'join "obs"."dim_resource" as caller on caller.tenant_id = $14::int8 and caller.resource_id = odd.src ' +
      'join "obs"."dim_resource" as callee on callee.tenant_id = $15::int8 and callee.resource_id = odd.dst ' +
      'order by odd.measure, odd.rise desc, caller.urn, callee.urn ) as "oddity" where "measure" = $16',
  )
  expect(parameters).toEqual([...given, 2, 50, 5, 2, 0.02, 5, '1', '1', 'err_rate'])
})

describe('rankSuspects', () => {
  it('begins with the same comparison, follows it, reads metrics of who was reached, accounts, and ends in finished rows', () => {
    const thresholds = { latencyFactor: 3, latencyRiseMs: 5, errorFactor: 4, errorRise: 0.5, minCalls: 7, deviations: 9 }
    const { sql, parameters } = rankSuspects(scope, { service: 'urn:a', ...windows, thresholds })
      .where('score', '>', 0.5)
      .compile()
    const text = flat(sql)
    expect(text.startsWith(`select "suspect".* from ( with recursive ${odd}, odd_call as (`)).toBe(true)
    expect(text.endsWith('order by score desc, depth desc, urn ) as "suspect" where "score" > $39')).toBe(true)
    const tables = [...text.matchAll(/(?:, |recursive )([a-z_]+)(?: \([a-z_, ]+\))? as (?:materialized )?\( (?:select|with)/g)]
    expect(tables.map(([, name]) => name)).toEqual([
      ...['compared', 'measured', 'odd', 'odd_call', 'depends', 'step', 'walk', 'reached', 'watched', 'departed', 'saturated', 'starved'],
      ...['incoming', 'called', 'told', 'explained', 'own', 'carried', 'accounted', 'noticed', 'shared', 'judged'],
      ...['suspect', 'evidence', 'oddest', 'all_of_it', 'parent', 'path'],
    ])
    // Every table of a tenant's is filtered by the tenant.
    expect(text.match(/from "obs"\."(?:metric_1m|topo_edge_time|service_call_5m|dim_resource)"/g)).toHaveLength(4)
    expect(text.match(/tenant_id = \$\d+::int8/g)).toHaveLength(8)
    const metrics = [...meaningOfMetrics([]).keys()]
    const means = [...meaningOfMetrics([]).values()]
    expect(parameters).toEqual([
      ...given,
      ...[3, 5, 7, 4, 0.5, 7],
      ...['1', range.from, range.to, 7, '1', 'urn:a', 8],
      ...[range.from, range.to, metrics, means, '1', metrics, range.from, range.to, baseline.from, baseline.to],
      ...[['idle', 'free', 'cached', 'buffered'], 9],
      ...[null, '1', 'urn:a', '1', '1', '1', 0.5],
    ])
  })

  it('measures the kinds of trouble by themselves where one is known to hurt', () => {
    const text = (symptom?: 'errors') => flat(rankSuspects(scope, { service: 'urn:a', ...windows, symptom }).compile().sql)
    expect(text()).toContain('max(lost / noticeable) over ()')
    expect(text('errors')).toContain('max(lost / noticeable) over (partition by trouble)')
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

  it('names each metric once', () => {
    const { parameters } = rankSuspects(scope, { service: 'urn:a', ...windows }).compile()
    const lists = parameters.filter((value): value is string[] => Array.isArray(value) && value.includes('jvm.gc.duration'))
    expect(lists).toHaveLength(2)
    expect(new Set(lists[0]).size).toBe(lists[0]!.length)
  })
})
