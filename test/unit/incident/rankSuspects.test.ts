import { expect, it } from 'vitest'
import { callOddities } from '../../../src/incident/callOddities.ts'
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

/** What both begin with, with its parameters. */
const odd =
  'compared as ( select src_resource_id as src, dst_resource_id as dst, ' +
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
  ') as call group by src_resource_id, dst_resource_id ), ' +
  `measured as ( select src, dst, calls, 'p95_ms' as measure, ${quantile}(histogram_before, 0.95) as expected, ` +
  `${quantile}(histogram, 0.95) as actual, ` +
  `${quantile}(histogram, greatest(0, 0.95 - 1.96 * sqrt(0.95 * 0.05 / ${counted}(histogram)))) as at_least, ` +
  '$8::float8 as factor, $9::float8 as rise from compared ' +
  `where ${counted}(histogram) >= $10::int4 and ${counted}(histogram_before) >= $11::int4 ` +
  "union all select src, dst, calls, 'err_rate', coalesce(errors_before / nullif(calls_before, 0), 0), errors / calls, " +
  '(errors + 1.9208 - 1.96 * sqrt(errors * (calls - errors) / calls + 0.9604)) / (calls + 3.8416), ' +
  '$12::float8, $13::float8 from compared where calls >= $14::int4 ), ' +
  'odd as ( select src, dst, calls, measure, expected, actual, actual - expected as rise from measured ' +
  'where actual > expected and at_least > expected * factor and at_least - expected > rise )'
const given = [range.from, range.to, '1', range.from, range.to, baseline.from, baseline.to, 2, 50, 10, 10, 2, 0.02, 10]

it('callOddities is one statement over finished rows', () => {
  const { sql, parameters } = callOddities(scope, windows).where('measure', '=', 'err_rate').compile()
  expect(flat(sql)).toBe(
    `select "oddity".* from ( with ${odd} ` +
      'select odd.src as src_resource_id, odd.dst as dst_resource_id, caller.urn as src_urn, callee.urn as dst_urn, ' +
      'odd.measure, odd.expected, odd.actual, odd.rise, odd.calls as call_count from odd ' +
      'join "obs"."dim_resource" as caller on caller.tenant_id = $15::int8 and caller.resource_id = odd.src ' +
      'join "obs"."dim_resource" as callee on callee.tenant_id = $16::int8 and callee.resource_id = odd.dst ' +
      'order by odd.measure, odd.rise desc, caller.urn, callee.urn ) as "oddity" where "measure" = $17',
  )
  expect(parameters).toEqual([...given, '1', '1', 'err_rate'])
})

it('rankSuspects begins with the same comparison and ends in finished rows', () => {
  const thresholds = { latencyFactor: 3, latencyRiseMs: 5, errorFactor: 4, errorRise: 0.5, minCalls: 7 }
  const { sql, parameters } = rankSuspects(scope, { service: 'urn:a', ...windows, thresholds })
    .where('score', '>', 0.5)
    .compile()
  const text = flat(sql)
  expect(text.startsWith(`select "suspect".* from ( with recursive ${odd}, walk (resource_id, depth) as (`)).toBe(true)
  expect(text.endsWith('order by score desc, depth desc, urn ) as "suspect" where "score" > $22')).toBe(true)
  expect(parameters.slice(0, 7)).toEqual(given.slice(0, 7))
  expect(parameters.slice(7)).toEqual([3, 5, 7, 7, 4, 0.5, 7, '1', 'urn:a', 8, 'urn:a', '1', '1', '1', 0.5])
})
