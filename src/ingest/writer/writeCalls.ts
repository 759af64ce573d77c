import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { CallRow } from '../rollups/windows/ingestWindow.ts'
import { jsonChunks } from './jsonChunks.ts'
import { storedHistogram } from './storedHistogram.ts'

/**
 * Writes the calls of a window.
 *
 * @returns how many rows were written; the others were there, unchanged.
 */
export async function writeCalls(
  scope: Scope,
  calls: readonly CallRow[],
  resourceIds: ReadonlyMap<string, string>,
  locatorIds: ReadonlyMap<number, string>,
): Promise<number> {
  const rows = calls.map((row) => ({
    bucket: row.bucket,
    src_resource_id: resourceIds.get(row.from),
    dst_resource_id: resourceIds.get(row.to),
    rps: row.rps,
    err_rate: row.errRate,
    p50_ms: row.p50Ms,
    p95_ms: row.p95Ms,
    sample_ref: locatorIds.get(row.locator),
    call_count: row.callCount,
    error_count: row.errorCount,
    histogram: storedHistogram(row.histogram),
    callee_count: row.calleeCount,
    callee_p50_ms: row.calleeP50Ms,
    callee_p95_ms: row.calleeP95Ms,
    callee_histogram: storedHistogram(row.calleeHistogram),
  }))
  let written = 0n
  for (const chunk of jsonChunks(rows)) {
    const { numAffectedRows = 0n } = await sql`
      insert into ${scope.id('service_call_5m')} as call
        (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, sample_ref, call_count, error_count, histogram,
          callee_count, callee_p50_ms, callee_p95_ms, callee_histogram)
      select bucket, ${scope.tenantId}::int8, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, sample_ref, call_count, error_count, histogram,
        callee_count, callee_p50_ms, callee_p95_ms, callee_histogram
      from jsonb_to_recordset(${chunk}::jsonb) as row (
        bucket timestamptz, src_resource_id int8, dst_resource_id int8, rps float8, err_rate float8, p50_ms float8, p95_ms float8,
        sample_ref int8, call_count int8, error_count int8, histogram bytea,
        callee_count int8, callee_p50_ms float8, callee_p95_ms float8, callee_histogram bytea
      )
      order by bucket, src_resource_id, dst_resource_id
      on conflict (src_resource_id, dst_resource_id, bucket) do update set
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
          excluded.callee_count, excluded.callee_p50_ms, excluded.callee_p95_ms, excluded.callee_histogram)
    `.execute(scope.db)
    written += numAffectedRows
  }
  return Number(written)
}
