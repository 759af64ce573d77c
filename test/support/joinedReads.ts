import { sql, type RawBuilder } from 'kysely'
import type { TimeRange } from '../../src/database/range.ts'
import type { Scope } from '../../src/database/scope.ts'

/**
 * What reads of calls and patterns gave when they joined every bucket with its resources before they added up: the plain way to say it, in no order.
 */
export function joinedReads(scope: Scope, range: TimeRange, { service, silent }: { service: string; silent: TimeRange }) {
  const tenant = sql`${scope.tenantId}::int8`
  const within = (alias: string, { from, to }: TimeRange) =>
    sql`${sql.ref(`${alias}.tenant_id`)} = ${tenant} and ${sql.ref(`${alias}.bucket`)} >= ${from}::timestamptz and ${sql.ref(`${alias}.bucket`)} < ${to}::timestamptz`
  const resource = (alias: string, id: string) =>
    sql`join ${scope.id('dim_resource')} as ${sql.id(alias)} on ${sql.ref(`${alias}.tenant_id`)} = ${tenant} and ${sql.ref(`${alias}.resource_id`)} = ${sql.ref(id)}`
  const calls = sql`${scope.id('service_call_5m')} as call ${resource('caller', 'call.src_resource_id')} ${resource('callee', 'call.dst_resource_id')}`
  const counts = (during: TimeRange) => sql`
    from ${scope.id('log_pattern_5m')} as count
    join ${scope.id('log_pattern')} as known on known.tenant_id = ${tenant} and known.fingerprint_id = count.fingerprint_id
    ${resource('resource', 'count.resource_id')}
    where ${within('count', during)}`
  const p95 = sql`${scope.id('exp_histogram_quantile')}(${scope.id('exp_histogram_merge')}(coalesce(call.histogram, case when call.call_count = 1 then ${scope.id('exp_histogram')}(call.p50_ms) end)), 0.95)`
  const fan = (own: string, peer: string) => sql`
    select ${sql.id(own)}.urn, count(distinct ${sql.id(peer)}.resource_id)::float8 as peer_count, sum(call.call_count)::float8 as call_count
    from ${calls} where ${within('call', range)} group by 1`
  const patterns = (isNew: RawBuilder<unknown>) => sql`
    select known.fingerprint_id, sum(count.count_total)::float8 as count_total, sum(count.count_error)::float8 as count_error,
      array_agg(distinct resource.urn collate "C") collate "default" as resources
    ${counts(range)} and ${isNew} group by known.fingerprint_id`
  return {
    callSummary: sql`
      select caller.urn as src_urn, callee.urn as dst_urn, sum(call.call_count)::float8 as call_count, ${p95} as p95_ms
      from ${calls} where ${within('call', range)} group by 1, 2`,
    slowestDependencies: sql`
      select callee.urn as dst_urn, avg(call.p95_ms) as mean_p95_ms, avg(call.err_rate) as mean_err_rate
      from ${calls} where ${within('call', range)} and caller.urn = ${service}
      group by 1 order by 2 desc nulls last, 3 desc nulls last, callee.urn collate "C" limit 5`,
    fanOut: fan('caller', 'callee'),
    fanIn: fan('callee', 'caller'),
    callSeriesByCallee: sql`
      select callee.urn as series, call.bucket, ${p95} as value, callee.resource_id
      from ${calls} where ${within('call', range)} group by callee.urn, callee.resource_id, call.bucket`,
    callSeriesByCall: sql`
      select caller.urn || ' -> ' || callee.urn as series, call.bucket, call.p95_ms as value
      from ${calls} where ${within('call', range)}`,
    patternSeries: sql`
      select resource.urn as series, count.bucket, sum(count.count_total)::float8 as value
      ${counts(range)} and known.severity = 'ERROR' group by 1, 2`,
    newPatterns: patterns(sql`not exists (
      select from ${scope.id('log_pattern_5m')} as earlier
      where earlier.tenant_id = ${scope.tenantId}::int8 and earlier.bucket < ${range.from}::timestamptz
        and earlier.fingerprint_id = known.fingerprint_id and earlier.resource_id = count.resource_id
    )`),
    newPatternsAfterSilence: patterns(sql`not exists (
      select from ${scope.id('log_pattern_5m')} as earlier
      where ${within('earlier', silent)} and earlier.fingerprint_id = known.fingerprint_id and earlier.resource_id = count.resource_id
    )`),
  }
}
