import { sql } from 'kysely'
import { ensureResources } from '../../src/catalog/resources.ts'
import type { Scope } from '../../src/database/scope.ts'
import type { Severity } from '../../src/schema/severity.ts'
import type { Json } from '../../src/schema/text.ts'

/** A time of the tests' day, 2026-11-22 in UTC: `at('10:05')`, `at('10:05:30')`. */
export const at = (clock: string): Date => new Date(`2026-11-22T${clock.length === 5 ? `${clock}:00` : clock}.000Z`)

/** The stretch of the tests' day from `from` until before `to`: `during('10:00', '11:00')`. */
export const during = (from: string, to: string) => ({ from: at(from), to: at(to) })

/** The ids of the URNs, by URN; the resources that are not there yet are created as services named after the URN's last part. */
export function services(scope: Scope, urns: readonly string[]): Promise<Map<string, string>> {
  const named = [...new Set(urns)].map((urn) => ({ urn, type: 'service', name: urn.split(/[/:]/).at(-1) || urn }))
  return ensureResources(scope, named)
}

export interface CallRow {
  bucket: Date
  src: string
  dst: string
  /**
   * The latencies of single calls in milliseconds: `call_count`, the percentiles (nearest rank) and the histogram (null for one) follow from them
   * unless given.
   */
  latencies?: readonly number[]
  /** What the callees' spans took of these calls. Default: no span of a callee came. */
  calleeLatencies?: readonly number[]
  call_count?: number
  error_count?: number
  rps?: number | null
  err_rate?: number | null
  p50_ms?: number | null
  p95_ms?: number | null
}

/** Writes rows of `service_call_5m`, and the services they name. */
export async function insertCalls(scope: Scope, rows: readonly CallRow[]): Promise<void> {
  const ids = await services(
    scope,
    rows.flatMap(({ src, dst }) => [src, dst]),
  )
  const finished = rows.map(({ bucket, src, dst, latencies, calleeLatencies, ...given }) => {
    const call_count = given.call_count ?? latencies?.length ?? 1
    const error_count = given.error_count ?? 0
    return {
      bucket: bucket.toISOString(),
      src: ids.get(src),
      dst: ids.get(dst),
      samples: latencies && latencies.length > 1 ? latencies : null,
      call_count,
      error_count,
      rps: given.rps === undefined ? call_count / 300 : given.rps,
      err_rate: given.err_rate === undefined ? error_count / call_count : given.err_rate,
      p50_ms: given.p50_ms === undefined ? nearestRank(latencies, 0.5) : given.p50_ms,
      p95_ms: given.p95_ms === undefined ? nearestRank(latencies, 0.95) : given.p95_ms,
      callee_samples: calleeLatencies && calleeLatencies.length > 1 ? calleeLatencies : null,
      callee_count: calleeLatencies?.length ?? 0,
      callee_p50_ms: nearestRank(calleeLatencies, 0.5),
      callee_p95_ms: nearestRank(calleeLatencies, 0.95),
    }
  })
  await sql`
    insert into ${scope.id('service_call_5m')}
      (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, call_count, error_count, histogram,
        callee_count, callee_p50_ms, callee_p95_ms, callee_histogram)
    select bucket, ${scope.tenantId}::int8, src, dst, rps, err_rate, p50_ms, p95_ms, call_count, error_count, ${histogramOf(scope)},
      callee_count, callee_p50_ms, callee_p95_ms, ${histogramOf(scope, 'callee_samples')}
    from jsonb_to_recordset(${JSON.stringify(finished)}::jsonb) as row (
      bucket timestamptz, src int8, dst int8, rps float8, err_rate float8, p50_ms float8, p95_ms float8, call_count int8, error_count int8, samples jsonb,
      callee_samples jsonb, callee_count int8, callee_p50_ms float8, callee_p95_ms float8
    )
  `.execute(scope.db)
}

export interface MetricRow {
  bucket: Date
  /** The resource's URN. */
  resource: string
  metric: string
  labels?: Record<string, Json>
  unit?: string | null
  kind?: 'gauge' | 'counter' | 'histogram' | 'summary'
  /** The minute's samples: averages, maximum, percentile, count and histogram (null for one) follow from them unless given. */
  samples?: readonly number[]
  avg_val?: number | null
  max_val?: number | null
  p95_val?: number | null
  sample_count?: number
}

/** Writes rows of `metric_1m`, and the resources they name. */
export async function insertMetrics(scope: Scope, rows: readonly MetricRow[]): Promise<void> {
  const ids = await services(
    scope,
    rows.map(({ resource }) => resource),
  )
  const finished = rows.map(({ bucket, resource, metric, labels, unit, kind, samples, ...given }) => ({
    bucket: bucket.toISOString(),
    resource: ids.get(resource),
    metric,
    labels: labels ?? {},
    unit: unit ?? null,
    kind: kind ?? 'gauge',
    samples: samples && samples.length > 1 ? samples : null,
    sample_count: given.sample_count ?? samples?.length ?? 1,
    avg_val:
      given.avg_val === undefined && samples?.length ? samples.reduce((sum, value) => sum + value, 0) / samples.length : given.avg_val,
    max_val: given.max_val === undefined && samples?.length ? Math.max(...samples) : given.max_val,
    p95_val: given.p95_val === undefined ? nearestRank(samples, 0.95) : given.p95_val,
  }))
  await sql`
    insert into ${scope.id('metric_1m')}
      (bucket, tenant_id, resource_id, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, histogram)
    select bucket, ${scope.tenantId}::int8, resource, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, ${histogramOf(scope)}
    from jsonb_to_recordset(${JSON.stringify(finished)}::jsonb) as row (
      bucket timestamptz, resource int8, metric text, labels jsonb, unit text, kind text, avg_val float8, max_val float8, p95_val float8,
      sample_count int8, samples jsonb
    )
  `.execute(scope.db)
}

export interface PatternRow {
  pattern: string
  sample_message?: string | null
  severity?: Severity | null
  first_seen?: Date | null
  last_seen?: Date | null
}

/** Writes rows of `log_pattern` and returns their fingerprint ids in the same order. */
export async function insertPatterns(scope: Scope, rows: readonly PatternRow[]): Promise<string[]> {
  const { rows: written } = await sql<{ pattern: string; id: string }>`
    insert into ${scope.id('log_pattern')} (tenant_id, pattern, sample_message, severity, first_seen, last_seen)
    select ${scope.tenantId}::int8, pattern, sample_message, severity, first_seen, last_seen
    from jsonb_to_recordset(${JSON.stringify(rows)}::jsonb) as row (
      pattern text, sample_message text, severity text, first_seen timestamptz, last_seen timestamptz
    )
    returning pattern, fingerprint_id::text as id
  `.execute(scope.db)
  const ids = new Map(written.map(({ pattern, id }) => [pattern, id]))
  return rows.map(({ pattern }) => ids.get(pattern)!)
}

export interface PatternCountRow {
  bucket: Date
  /** The resource's URN. */
  resource: string
  fingerprint_id: string
  count_total: number
  count_error?: number
}

/** Writes rows of `log_pattern_5m`, and the resources they name. */
export async function insertPatternCounts(scope: Scope, rows: readonly PatternCountRow[]): Promise<void> {
  const ids = await services(
    scope,
    rows.map(({ resource }) => resource),
  )
  const finished = rows.map(({ resource, count_error, ...row }) => ({ ...row, resource: ids.get(resource), count_error: count_error ?? 0 }))
  await sql`
    insert into ${scope.id('log_pattern_5m')} (bucket, tenant_id, resource_id, fingerprint_id, count_total, count_error)
    select bucket, ${scope.tenantId}::int8, resource, fingerprint_id, count_total, count_error
    from jsonb_to_recordset(${JSON.stringify(finished)}::jsonb) as row (
      bucket timestamptz, resource int8, fingerprint_id int8, count_total int8, count_error int8
    )
  `.execute(scope.db)
}

/** The exact quantile by nearest rank, as the histogram's is defined; null without samples. */
export function nearestRank(samples: readonly number[] | undefined, q: number): number | null {
  if (samples === undefined || samples.length === 0) return null
  return [...samples].sort((a, b) => a - b)[Math.max(1, Math.ceil(q * samples.length)) - 1]!
}

/** The histogram of the row's samples. */
const histogramOf = (scope: Scope, samples = 'samples') => sql`(
  select ${scope.id('exp_histogram_merge')}(${scope.id('exp_histogram')}(sample::float8, 1))
  from jsonb_array_elements_text(${sql.ref(samples)}) as sample
)`
