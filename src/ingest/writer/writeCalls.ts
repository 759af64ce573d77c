import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { CallRow } from '../rollups/windows/ingestWindow.ts'
import { arrayText, finite, HistogramColumn } from './arrayColumns.ts'
import { byId } from './byId.ts'
import { insertOrReplace } from './insertOrReplace.ts'

/** How many rows go into one statement. */
const mostRows = 5_000

/**
 * The calls of a window in the order of their ids, in which they are written: writers of the same
 * rows, however these are cut, then wait for each other and never deadlock.
 */
export function callsInOrder(calls: readonly CallRow[], resourceIds: ReadonlyMap<string, string>): CallRow[] {
  const id = (urn: string) => resourceIds.get(urn)!
  return calls.toSorted((a, b) => byId(id(a.from), id(b.from)) || byId(id(a.to), id(b.to)))
}

/**
 * Writes the calls of a window, in their order.
 *
 * @returns how many rows were written; the others were there, unchanged.
 */
export async function writeCalls(
  scope: Scope,
  calls: readonly CallRow[],
  resourceIds: ReadonlyMap<string, string>,
  locatorIds: ReadonlyMap<number, string>,
): Promise<number> {
  if (calls.length === 0) return 0
  const { bucket } = calls[0]!
  return insertOrReplace(scope, 'service_call_5m', { first: bucket, last: bucket }, replacing, async (onConflict) => {
    let written = 0
    for (let at = 0; at < calls.length; at += mostRows) {
      written += await insert(scope, calls.slice(at, at + mostRows), { resourceIds, locatorIds }, onConflict)
    }
    return written
  })
}

interface Ids {
  resourceIds: ReadonlyMap<string, string>
  locatorIds: ReadonlyMap<number, string>
}

async function insert(
  scope: Scope,
  calls: readonly CallRow[],
  { resourceIds, locatorIds }: Ids,
  onConflict: RawBuilder<unknown>,
): Promise<number> {
  const column = (valueOf: (row: CallRow) => string | number) => arrayText(calls.map(valueOf))
  const [histograms, calleeHistograms] = [new HistogramColumn(), new HistogramColumn()]
  for (const { histogram, calleeHistogram } of calls) {
    histograms.add(histogram)
    calleeHistograms.add(calleeHistogram)
  }
  const [seen, answered] = [histograms.column(), calleeHistograms.column()]
  const { numAffectedRows = 0n } = await sql`
    insert into ${scope.id('service_call_5m')} as call
      (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, sample_ref, call_count, error_count, histogram,
        callee_count, callee_p50_ms, callee_p95_ms, callee_histogram)
    select ${calls[0]!.bucket}::timestamptz, ${scope.tenantId}::int8, row.src, row.dst, row.rps, row.err_rate, row.p50_ms, row.p95_ms,
      row.sample_ref, row.call_count, row.error_count, substring(given.histograms from row.histogram_from for row.histogram_length),
      row.callee_count, row.callee_p50_ms, row.callee_p95_ms, substring(given.callee_histograms from row.callee_from for row.callee_length)
    from (
      select ${seen.bytes}::bytea as histograms, ${answered.bytes}::bytea as callee_histograms,
        ${column((row) => resourceIds.get(row.from)!)}::text::int8[] as src, ${column((row) => resourceIds.get(row.to)!)}::text::int8[] as dst,
        ${column((row) => finite(row.rps))}::text::float8[] as rps, ${column((row) => finite(row.errRate))}::text::float8[] as err_rate,
        ${column((row) => finite(row.p50Ms))}::text::float8[] as p50_ms, ${column((row) => finite(row.p95Ms))}::text::float8[] as p95_ms,
        ${column((row) => locatorIds.get(row.locator) ?? 'null')}::text::int8[] as sample_ref,
        ${column((row) => row.callCount)}::text::int8[] as call_count, ${column((row) => row.errorCount)}::text::int8[] as error_count,
        ${seen.from}::text::int4[] as histogram_from, ${seen.length}::text::int4[] as histogram_length,
        ${column((row) => row.calleeCount)}::text::int8[] as callee_count,
        ${column((row) => finite(row.calleeP50Ms))}::text::float8[] as callee_p50_ms,
        ${column((row) => finite(row.calleeP95Ms))}::text::float8[] as callee_p95_ms,
        ${answered.from}::text::int4[] as callee_from, ${answered.length}::text::int4[] as callee_length
      -- Else the planner would read the arrays too, to count their elements.
      offset 0
    ) as given
    cross join lateral unnest(
      given.src, given.dst, given.rps, given.err_rate, given.p50_ms, given.p95_ms, given.sample_ref, given.call_count, given.error_count,
      given.histogram_from, given.histogram_length, given.callee_count, given.callee_p50_ms, given.callee_p95_ms,
      given.callee_from, given.callee_length
    ) with ordinality as row (
      src, dst, rps, err_rate, p50_ms, p95_ms, sample_ref, call_count, error_count, histogram_from, histogram_length,
      callee_count, callee_p50_ms, callee_p95_ms, callee_from, callee_length, place
    )
    order by row.place
    ${onConflict}
  `.execute(scope.db)
  return Number(numAffectedRows)
}

const replacing = sql`on conflict (src_resource_id, dst_resource_id, bucket) do update set
      rps = excluded.rps,
      err_rate = excluded.err_rate,
      p50_ms = excluded.p50_ms,
      p95_ms = excluded.p95_ms,
      sample_ref = excluded.sample_ref,
      call_count = excluded.call_count,
      error_count = excluded.error_count,
      histogram = excluded.histogram,
      callee_count = excluded.callee_count,
      callee_p50_ms = excluded.callee_p50_ms,
      callee_p95_ms = excluded.callee_p95_ms,
      callee_histogram = excluded.callee_histogram
    where (call.rps, call.err_rate, call.p50_ms, call.p95_ms, call.sample_ref, call.call_count, call.error_count, call.histogram,
        call.callee_count, call.callee_p50_ms, call.callee_p95_ms, call.callee_histogram)
      is distinct from
      (excluded.rps, excluded.err_rate, excluded.p50_ms, excluded.p95_ms, excluded.sample_ref, excluded.call_count, excluded.error_count, excluded.histogram,
        excluded.callee_count, excluded.callee_p50_ms, excluded.callee_p95_ms, excluded.callee_histogram)`
