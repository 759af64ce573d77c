import { sql } from 'kysely'
import { ensureResource } from '../src/catalog/resources.ts'
import type { Scope } from '../src/database/scope.ts'
import type { IngestWindow } from '../src/ingest/rollups/windows/ingestWindow.ts'
import { encodeHistogram } from '../src/sketch/exponentialHistogram.ts'

/** What a service without `writeRollups` would do: the same rows of a window in one transaction, each by an insert of its own. */
export async function insertRowByRow(outer: Scope, window: IngestWindow): Promise<void> {
  await outer.db.transaction().execute(async (db) => {
    const scope = { ...outer, db }
    const tenant = scope.tenantId
    const ids = new Map<string, string>()
    for (const resource of window.resources) ids.set(resource.urn, await ensureResource(scope, resource))
    const locators: string[] = []
    for (const locator of window.locators) {
      const { rows } = await sql<{ id: string }>`
        insert into ${scope.id('oo_locator')} as locator (tenant_id, dataset, bucket, object_key, t_from, t_to, query_hint, attributes)
        values (${tenant}, ${locator.dataset}, ${locator.objectBucket}, ${locator.objectKey}, ${locator.tFrom}, ${locator.tTo}, ${locator.queryHint}, ${JSON.stringify(locator.attributes)})
        on conflict (tenant_id, dataset, t_from, t_to, locator_hash) do update set attributes = excluded.attributes
        returning id
      `.execute(db)
      locators.push(rows[0]!.id)
    }
    for (const row of window.metrics) {
      await sql`
        insert into ${scope.id('metric_1m')} (bucket, tenant_id, resource_id, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, histogram)
        values (${row.bucket}, ${tenant}, ${ids.get(row.resource)}, ${row.metric}, ${JSON.stringify(row.labels)}, ${row.unit}, ${row.kind}, ${row.avg}, ${row.max},
          ${row.p95}, ${row.sampleCount}, ${row.histogram && encodeHistogram(row.histogram)}::bytea)
        on conflict (series_id, bucket) do update set
          avg_val = excluded.avg_val, max_val = excluded.max_val, p95_val = excluded.p95_val, sample_count = excluded.sample_count, histogram = excluded.histogram
      `.execute(db)
    }
    for (const row of window.calls) {
      await sql`
        insert into ${scope.id('service_call_5m')} (bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, call_count, error_count, histogram, sample_ref)
        values (${row.bucket}, ${tenant}, ${ids.get(row.from)}, ${ids.get(row.to)}, ${row.rps}, ${row.errRate}, ${row.p50Ms}, ${row.p95Ms}, ${row.callCount},
          ${row.errorCount}, ${row.histogram && encodeHistogram(row.histogram)}::bytea, ${locators[row.locator]})
        on conflict (src_resource_id, dst_resource_id, bucket) do update set
          rps = excluded.rps, err_rate = excluded.err_rate, p50_ms = excluded.p50_ms, p95_ms = excluded.p95_ms, call_count = excluded.call_count,
          error_count = excluded.error_count, histogram = excluded.histogram
      `.execute(db)
    }
    for (const row of window.patterns) {
      const { rows } = await sql<{ id: string }>`
        insert into ${scope.id('log_pattern')} as pattern (tenant_id, pattern, sample_message, severity, attrs_schema, first_seen, last_seen)
        values (${tenant}, ${row.maskedLine}, ${row.sampleMessage}, ${row.severity}, ${JSON.stringify(row.attrsSchema)}, ${row.firstSeen}, ${row.lastSeen})
        on conflict (tenant_id, pattern_hash) do update set last_seen = greatest(pattern.last_seen, excluded.last_seen)
        returning fingerprint_id as id
      `.execute(db)
      await sql`
        insert into ${scope.id('log_pattern_5m')} (bucket, tenant_id, resource_id, fingerprint_id, count_total, count_error, sample_ref)
        values (${row.bucket}, ${tenant}, ${ids.get(row.resource)}, ${rows[0]!.id}, ${row.countTotal}, ${row.countError}, ${locators[row.locator]})
        on conflict (bucket, tenant_id, resource_id, fingerprint_id) do update set count_total = excluded.count_total, count_error = excluded.count_error
      `.execute(db)
    }
  })
}
