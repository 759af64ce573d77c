import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import { jsonChunks } from './jsonChunks.ts'

/** Writes how often each pattern was logged. */
export async function writePatternCounts(
  scope: Scope,
  { patterns }: IngestWindow,
  resourceIds: ReadonlyMap<string, string>,
  locatorIds: readonly string[],
  fingerprintIds: ReadonlyMap<string, string>,
): Promise<void> {
  const rows = patterns.map((row) => ({
    bucket: row.bucket,
    resource_id: resourceIds.get(row.resource),
    fingerprint_id: fingerprintIds.get(row.pattern),
    count_total: row.countTotal,
    count_error: row.countError,
    sample_ref: locatorIds[row.locator],
  }))
  for (const chunk of jsonChunks(rows)) {
    await sql`
      insert into ${scope.id('log_pattern_5m')} as tally (bucket, tenant_id, resource_id, fingerprint_id, count_total, count_error, sample_ref)
      select bucket, ${scope.tenantId}::int8, resource_id, fingerprint_id, count_total, count_error, sample_ref
      from jsonb_to_recordset(${chunk}::jsonb) as row (
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
}
