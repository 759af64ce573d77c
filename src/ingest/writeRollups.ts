import { sql } from 'kysely'
import { ensureResources } from '../catalog/resources.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import type { Scope } from '../database/scope.ts'
import { severities, type Severity } from '../schema/severity.ts'
import { mergedType } from './rollups/patternRollup.ts'
import type { Locator, PatternRollup, RollupWindow } from './rollups/rollupWindow.ts'
import { greaterSeverity } from './records/severityOf.ts'
import { withoutTooOld, type TooOld } from './tooOld.ts'

/** How many rows of each table a window has: written, or found as they should be. */
export interface WrittenRollups {
  resources: number
  locators: number
  metrics: number
  calls: number
  patterns: number
  /** Rows that were refused: they are older than their table keeps. */
  tooOld: TooOld
}

export interface WriteRollupsOptions {
  /**
   * Also writes what is older than its table keeps: history that is to be rolled up before it is
   * dropped. Default: false.
   */
  acceptOld?: boolean
  signal?: AbortSignal
}

/**
 * Writes one window: its resources, locators, metrics, calls, patterns and their counts, in one transaction (the scope's own, when it is one already):
 * all of it or nothing.
 *
 * Idempotent: the same window written again leaves the same rows, and rows that would not change are not written. A window rolled up again from
 * more records replaces what it said before. A pattern is first seen when it was seen earliest, last when latest, with the highest severity met;
 * an attribute that came with two types is `mixed`.
 *
 * Rows older than their table keeps (by the policy applied last, to the end of the chunk) are
 * refused and counted, unless `acceptOld`.
 *
 * Set-based: one statement a table, whatever the number of rows, one parameter for all of them. Every statement takes its rows in the order of their
 * keys, and tables come in one order, so two writers wait for each other and never deadlock.
 *
 * @example
 * for await (const window of rollUp(readOtlp('telemetry.jsonl.gz'))) await writeRollups(scope, window)
 *
 * // insert into "public"."metric_1m" as metric (bucket, tenant_id, resource_id, metric, labels, ...)
 * // select row.bucket, $1, row.resource_id, row.metric, row.labels, ... from jsonb_to_recordset($2) as row (...) order by ...
 * // on conflict (tenant_id, resource_id, metric, labels_hash, bucket) do update set ... where (...) is distinct from (...)
 *
 * @throws the signal's reason when aborted before the commit; the driver's error when the database refuses.
 */
export async function writeRollups(
  scope: Scope,
  window: RollupWindow,
  { acceptOld = false, signal }: WriteRollupsOptions = {},
): Promise<WrittenRollups> {
  signal?.throwIfAborted()
  return inTransaction(scope.db, (db) => writeWindow({ ...scope, db }, window, { acceptOld, signal }))
}

async function writeWindow(scope: Scope, given: RollupWindow, { acceptOld, signal }: WriteRollupsOptions): Promise<WrittenRollups> {
  const { window, tooOld } = acceptOld === true ? { window: given, tooOld: noneTooOld } : await withoutTooOld(scope, given)
  // Who is named in nothing but what is refused is not registered for it.
  const refused = tooOld.metrics + tooOld.calls + tooOld.patterns
  if (refused > 0 && window.metrics.length + window.calls.length + window.patterns.length === 0) {
    return { resources: 0, locators: 0, metrics: 0, calls: 0, patterns: 0, tooOld }
  }
  const resourceIds = await ensureResources(scope, window.resources)
  signal?.throwIfAborted()
  const locatorIds = await writeLocators(scope, window.locators)
  signal?.throwIfAborted()
  const fingerprintIds = await writePatterns(scope, window.patterns)
  signal?.throwIfAborted()
  await writeMetrics(scope, window, resourceIds)
  signal?.throwIfAborted()
  await writeCalls(scope, window, resourceIds, locatorIds)
  signal?.throwIfAborted()
  await writePatternCounts(scope, window, resourceIds, locatorIds, fingerprintIds)
  signal?.throwIfAborted()
  return {
    resources: window.resources.length,
    locators: window.locators.length,
    metrics: window.metrics.length,
    calls: window.calls.length,
    patterns: window.patterns.length,
    tooOld,
  }
}

const noneTooOld: TooOld = { metrics: 0, calls: 0, patterns: 0 }

/** A count as int8 has it. */
const whole = (count: number) => Math.min(count, 2 ** 63 - 1024)

/** @returns the ids, in the order of the locators. */
async function writeLocators(scope: Scope, locators: readonly Locator[]): Promise<string[]> {
  if (locators.length === 0) return []
  const rows = JSON.stringify(
    locators.map((locator, position) => ({
      position,
      dataset: locator.dataset,
      bucket: locator.bucket,
      object_key: locator.objectKey,
      t_from: locator.tFrom,
      t_to: locator.tTo,
      query_hint: locator.queryHint,
      attributes: locator.attributes,
    })),
  )
  const given = sql`jsonb_to_recordset(${rows}::jsonb) as row (
    position int4, dataset text, bucket text, object_key text, t_from timestamptz, t_to timestamptz, query_hint text, attributes jsonb
  )`
  await sql`
    insert into ${scope.id('oo_locator')} as locator (tenant_id, dataset, bucket, object_key, t_from, t_to, query_hint, attributes)
    select ${scope.tenantId}::int8, dataset, bucket, object_key, t_from, t_to, query_hint, attributes
    from ${given}
    order by dataset collate "C", t_from, t_to, bucket collate "C", object_key collate "C"
    on conflict (tenant_id, dataset, t_from, t_to, locator_hash) do update set attributes = excluded.attributes
    where locator.attributes <> excluded.attributes
  `.execute(scope.db)
  // A statement of its own: it sees rows that others committed while the one above waited for them.
  const { rows: found } = await sql<{ position: number; id: string }>`
    select row.position, locator.id::text as id
    from ${given}
    join ${scope.id('oo_locator')} as locator
      on locator.tenant_id = ${scope.tenantId}::int8 and locator.dataset = row.dataset and locator.t_from = row.t_from and locator.t_to = row.t_to
      and locator.bucket = row.bucket and locator.object_key = row.object_key and locator.query_hint = row.query_hint
    order by row.position
  `.execute(scope.db)
  return found.map(({ id }) => id)
}

interface PatternRow {
  pattern: string
  sample_message: string
  severity: Severity | null
  attrs_schema: Record<string, string>
  first_seen: Date
  last_seen: Date
}

/** @returns the fingerprints' ids by pattern. */
async function writePatterns(scope: Scope, patterns: readonly PatternRollup[]): Promise<Map<string, string>> {
  if (patterns.length === 0) return new Map()
  const rows = JSON.stringify([...patternRows(patterns).values()])
  const rank = (severity: string) => sql`coalesce(array_position(${[...severities]}::text[], ${sql.raw(severity)}), 0)`
  // As mergedType has it: what came with two types is mixed, whichever window is written first or again.
  const types = sql`known.attrs_schema || (
        select coalesce(jsonb_object_agg(given.name, case when known.attrs_schema ->> given.name <> given.type then 'mixed' else given.type end), '{}')
        from jsonb_each_text(excluded.attrs_schema) as given (name, type)
      )`
  const row = sql`row (pattern text, sample_message text, severity text, attrs_schema jsonb, first_seen timestamptz, last_seen timestamptz)`
  await sql`
    insert into ${scope.id('log_pattern')} as known (tenant_id, pattern, sample_message, severity, attrs_schema, first_seen, last_seen)
    select ${scope.tenantId}::int8, pattern, sample_message, severity, attrs_schema, first_seen, last_seen
    from jsonb_to_recordset(${rows}::jsonb) as ${row}
    order by md5(pattern)
    on conflict (tenant_id, pattern_hash) do update set
      sample_message = case when excluded.first_seen < known.first_seen then excluded.sample_message else known.sample_message end,
      severity = case when ${rank('excluded.severity')} > ${rank('known.severity')} then excluded.severity else known.severity end,
      attrs_schema = ${types},
      first_seen = least(known.first_seen, excluded.first_seen),
      last_seen = greatest(known.last_seen, excluded.last_seen)
    where excluded.first_seen < known.first_seen
      or excluded.last_seen > known.last_seen
      or ${rank('excluded.severity')} > ${rank('known.severity')}
      or known.attrs_schema <> (${types})
  `.execute(scope.db)
  const { rows: found } = await sql<{ pattern: string; id: string }>`
    select row.pattern, known.fingerprint_id::text as id
    from jsonb_to_recordset(${rows}::jsonb) as row (pattern text)
    join ${scope.id('log_pattern')} as known on known.tenant_id = ${scope.tenantId}::int8 and known.pattern_hash = md5(row.pattern)::uuid
  `.execute(scope.db)
  return new Map(found.map(({ pattern, id }) => [pattern, id]))
}

/** One row for each pattern, whichever resources log it. */
function patternRows(patterns: readonly PatternRollup[]): Map<string, PatternRow> {
  const rows = new Map<string, PatternRow>()
  for (const { pattern, sampleMessage, severity, attrsSchema, firstSeen, lastSeen } of patterns) {
    const row = rows.get(pattern)
    if (row === undefined) {
      rows.set(pattern, {
        pattern,
        sample_message: sampleMessage,
        severity,
        attrs_schema: attrsSchema,
        first_seen: firstSeen,
        last_seen: lastSeen,
      })
      continue
    }
    if (firstSeen < row.first_seen) row.sample_message = sampleMessage
    if (firstSeen < row.first_seen) row.first_seen = firstSeen
    if (lastSeen > row.last_seen) row.last_seen = lastSeen
    row.severity = greaterSeverity(row.severity, severity)
    const types = new Map(Object.entries(row.attrs_schema))
    for (const [name, type] of Object.entries(attrsSchema)) types.set(name, mergedType(types.get(name), type))
    row.attrs_schema = Object.fromEntries(types)
  }
  return rows
}

async function writeMetrics(scope: Scope, { metrics }: RollupWindow, resourceIds: ReadonlyMap<string, string>): Promise<void> {
  if (metrics.length === 0) return
  const rows = JSON.stringify(
    metrics.map((row) => ({
      bucket: row.bucket,
      resource_id: resourceIds.get(row.resource),
      metric: row.metric,
      labels: row.labels,
      unit: row.unit,
      kind: row.kind,
      avg_val: row.avg,
      max_val: row.max,
      p95_val: row.p95,
      sample_count: whole(row.sampleCount),
      histogram: row.histogram?.map(whole) ?? null,
    })),
  )
  await sql`
    insert into ${scope.id('metric_1m')} as metric
      (bucket, tenant_id, resource_id, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, histogram)
    select bucket, ${scope.tenantId}::int8, resource_id, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, histogram
    from jsonb_to_recordset(${rows}::jsonb) as row (
      bucket timestamptz, resource_id int8, metric text, labels jsonb, unit text, kind text,
      avg_val float8, max_val float8, p95_val float8, sample_count int8, histogram int8[]
    )
    order by resource_id, metric collate "C", md5(labels::text), bucket
    on conflict (tenant_id, resource_id, metric, labels_hash, bucket) do update set
      unit = excluded.unit,
      kind = excluded.kind,
      avg_val = excluded.avg_val,
      max_val = excluded.max_val,
      p95_val = excluded.p95_val,
      sample_count = excluded.sample_count,
      histogram = excluded.histogram
    where (metric.unit, metric.kind, metric.avg_val, metric.max_val, metric.p95_val, metric.sample_count, metric.histogram)
      is distinct from (excluded.unit, excluded.kind, excluded.avg_val, excluded.max_val, excluded.p95_val, excluded.sample_count, excluded.histogram)
  `.execute(scope.db)
}

async function writeCalls(
  scope: Scope,
  { calls }: RollupWindow,
  resourceIds: ReadonlyMap<string, string>,
  locatorIds: readonly string[],
): Promise<void> {
  if (calls.length === 0) return
  const rows = JSON.stringify(
    calls.map((row) => ({
      bucket: row.bucket,
      src_resource_id: resourceIds.get(row.src),
      dst_resource_id: resourceIds.get(row.dst),
      rps: row.rps,
      err_rate: row.errRate,
      p50_ms: row.p50Ms,
      p95_ms: row.p95Ms,
      sample_ref: locatorIds[row.locator],
      call_count: row.callCount,
      error_count: row.errorCount,
      histogram: row.histogram,
    })),
  )
  await sql`
    insert into ${scope.id('service_call_5m')} as call
      (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, sample_ref, call_count, error_count, histogram)
    select bucket, ${scope.tenantId}::int8, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, sample_ref, call_count, error_count, histogram
    from jsonb_to_recordset(${rows}::jsonb) as row (
      bucket timestamptz, src_resource_id int8, dst_resource_id int8, rps float8, err_rate float8, p50_ms float8, p95_ms float8,
      sample_ref int8, call_count int8, error_count int8, histogram int8[]
    )
    order by bucket, src_resource_id, dst_resource_id
    on conflict (bucket, tenant_id, src_resource_id, dst_resource_id) do update set
      rps = excluded.rps,
      err_rate = excluded.err_rate,
      p50_ms = excluded.p50_ms,
      p95_ms = excluded.p95_ms,
      sample_ref = excluded.sample_ref,
      call_count = excluded.call_count,
      error_count = excluded.error_count,
      histogram = excluded.histogram
    where (call.rps, call.err_rate, call.p50_ms, call.p95_ms, call.sample_ref, call.call_count, call.error_count, call.histogram)
      is distinct from
      (excluded.rps, excluded.err_rate, excluded.p50_ms, excluded.p95_ms, excluded.sample_ref, excluded.call_count, excluded.error_count, excluded.histogram)
  `.execute(scope.db)
}

async function writePatternCounts(
  scope: Scope,
  { patterns }: RollupWindow,
  resourceIds: ReadonlyMap<string, string>,
  locatorIds: readonly string[],
  fingerprintIds: ReadonlyMap<string, string>,
): Promise<void> {
  if (patterns.length === 0) return
  const rows = JSON.stringify(
    patterns.map((row) => ({
      bucket: row.bucket,
      resource_id: resourceIds.get(row.resource),
      fingerprint_id: fingerprintIds.get(row.pattern),
      count_total: row.countTotal,
      count_error: row.countError,
      sample_ref: locatorIds[row.locator],
    })),
  )
  await sql`
    insert into ${scope.id('log_pattern_5m')} as tally (bucket, tenant_id, resource_id, fingerprint_id, count_total, count_error, sample_ref)
    select bucket, ${scope.tenantId}::int8, resource_id, fingerprint_id, count_total, count_error, sample_ref
    from jsonb_to_recordset(${rows}::jsonb) as row (
      bucket timestamptz, resource_id int8, fingerprint_id int8, count_total int8, count_error int8, sample_ref int8
    )
    order by bucket, resource_id, fingerprint_id
    on conflict (bucket, tenant_id, resource_id, fingerprint_id) do update set
      count_total = excluded.count_total,
      count_error = excluded.count_error,
      sample_ref = excluded.sample_ref
    where (tally.count_total, tally.count_error, tally.sample_ref) is distinct from (excluded.count_total, excluded.count_error, excluded.sample_ref)
  `.execute(scope.db)
}
