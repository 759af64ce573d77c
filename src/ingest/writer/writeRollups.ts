import { z } from 'zod'
import { ensureResources } from '../../catalog/resources.ts'
import type { Scope } from '../../database/scope.ts'
import { inTransaction } from '../../database/transaction/inTransaction.ts'
import { parseOptions } from '../../schema/parse.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import { templatesOf, type TenantTemplates } from './tenantTemplates.ts'
import { withoutTooOld, type TooOld } from './tooOld.ts'
import { writeCalls } from './writeCalls.ts'
import { writeLocators } from './writeLocators.ts'
import { writeMetrics } from './writeMetrics.ts'
import { writePatternCounts } from './writePatternCounts.ts'
import { writePatterns } from './writePatterns.ts'
import { writeSketches } from './writeSketches.ts'

/** How many rows of each table a window has: written, or found unchanged. */
export interface WrittenRollups {
  resources: number
  locators: number
  metrics: number
  calls: number
  patterns: number
  sketches: number
  /** Those of them that were there already, unchanged, and were not written. */
  unchanged: { metrics: number; calls: number; sketches: number }
  /** Rows that were refused: they are older than the retention of their table. */
  tooOld: TooOld
}

export interface WriteRollupsOptions {
  /**
   * Also writes rows older than their table's retention: history to roll up before it is dropped.
   * Default: false.
   */
  acceptOld?: boolean
  signal?: AbortSignal
}

const writeRollupsOptions = z.strictObject({
  acceptOld: z.boolean().default(false),
  signal: z.instanceof(AbortSignal).optional(),
})

/**
 * Writes one window in one transaction (the scope's own, if it was made from one), all or nothing.
 *
 * | rows | go to |
 * |---|---|
 * | resources | `dim_resource` |
 * | locators | `oo_locator` |
 * | patterns and their counts | `log_pattern`, `log_pattern_5m` |
 * | metrics | `metric_1m` |
 * | calls | `service_call_5m` |
 * | sketches of values | `sketch_5m` |
 *
 * | | |
 * |---|---|
 * | the same window again | leaves the same rows; rows that would not change are not written |
 * | a window rolled up again from more records | replaces its rows |
 * | patterns | the messages of the tenant so far say which masked lines are of one pattern (docs/logs.md) |
 * | a pattern | keeps its earliest first time, latest last time and highest severity; an attribute seen with two types is `mixed` |
 * | rows older than their table's retention (by the policy applied last, to the end of the chunk) | refused and counted, unless `acceptOld` |
 * | statements | one per table with one parameter for all rows, several if there are many; 5,000 rows of metrics to one, as arrays |
 * | minutes without a metric yet | their rows are inserted without looking each one up first, behind a savepoint: an insert that finds another writer's row is taken back and repeated |
 * | concurrent writers | never deadlock: those that share a resource take turns, rows are written in the order of their keys, and tables in one order |
 *
 * @example
 * for await (const window of rollUp(readOtlp('telemetry.jsonl.gz'))) await writeRollups(scope, window)
 *
 * // insert into "public"."metric_1m" as metric (bucket, tenant_id, resource_id, metric, labels,
 * //   ...)
 * // select given.buckets[row.bucket], $1, series.resource_id, series.metric, series.labels, ...
 * // from (select $2::jsonb as series, $3::text::timestamptz[] as buckets, ...) as given
 * // cross join lateral rows from (jsonb_to_recordset(given.series) as (...)) with ordinality ...
 * // join lateral unnest(given.bucket, given.series_of_row, given.avg_val, ...) ... order by ...
 * // on conflict (series_id, bucket) do update set ... where
 * //   (...) is distinct from (...)
 *
 * @throws InvalidInputError naming the option that is unknown or wrong; the signal's reason if
 * aborted before the commit; the driver's error if the database refuses.
 */
export async function writeRollups(scope: Scope, window: IngestWindow, options: WriteRollupsOptions = {}): Promise<WrittenRollups> {
  const { acceptOld, signal } = parseOptions(writeRollupsOptions, options)
  signal?.throwIfAborted()
  const templates = templatesOf(scope)
  const isOnly = !scope.db.isTransaction
  return inTransaction(scope.db, (db) => writeWindow({ ...scope, db }, window, { templates, isOnly }, { acceptOld, signal }))
}

/** How patterns are learnt; `isOnly`: the transaction writes no other window. */
export interface Learning {
  templates: TenantTemplates
  isOnly: boolean
}

/** The same in a transaction that has begun. */
export async function writeWindow(
  scope: Scope,
  window: IngestWindow,
  learning: Learning,
  options: WriteRollupsOptions,
): Promise<WrittenRollups> {
  try {
    return await writeRows(scope, window, learning, options)
  } catch (error) {
    learning.templates.forget()
    throw error
  }
}

async function writeRows(
  scope: Scope,
  given: IngestWindow,
  { templates, isOnly }: Learning,
  { acceptOld, signal }: WriteRollupsOptions,
): Promise<WrittenRollups> {
  const { window, tooOld } = acceptOld === true ? { window: given, tooOld: noneTooOld } : await withoutTooOld(scope, given)
  // A resource that only refused rows name is not registered.
  const refused = tooOld.metrics + tooOld.calls + tooOld.patterns + tooOld.sketches
  const rows = window.metrics.length + window.calls.length + window.patterns.length + window.sketches.length
  if (refused > 0 && rows === 0) {
    return {
      resources: 0,
      locators: 0,
      metrics: 0,
      calls: 0,
      patterns: 0,
      sketches: 0,
      unchanged: { metrics: 0, calls: 0, sketches: 0 },
      tooOld,
    }
  }
  const resourceIds = await ensureResources(scope, window.resources)
  signal?.throwIfAborted()
  const locatorIds = await writeLocators(scope, window.locators)
  signal?.throwIfAborted()
  const lines = await writePatterns(scope, window.patterns, templates, { isOnly })
  signal?.throwIfAborted()
  const metrics = await writeMetrics(scope, window, resourceIds)
  signal?.throwIfAborted()
  const calls = await writeCalls(scope, window, resourceIds, locatorIds)
  signal?.throwIfAborted()
  const patterns = await writePatternCounts(scope, window, resourceIds, locatorIds, lines)
  signal?.throwIfAborted()
  const sketches = await writeSketches(scope, window, resourceIds)
  signal?.throwIfAborted()
  return {
    resources: window.resources.length,
    locators: window.locators.length,
    metrics: window.metrics.length,
    calls: window.calls.length,
    patterns,
    sketches: window.sketches.length,
    unchanged: {
      metrics: window.metrics.length - metrics,
      calls: window.calls.length - calls,
      sketches: window.sketches.length - sketches,
    },
    tooOld,
  }
}

const noneTooOld: TooOld = { metrics: 0, calls: 0, patterns: 0, sketches: 0 }
