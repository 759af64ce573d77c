import { sql } from 'kysely'
import type { Scope } from '../../../src/database/index.ts'

/** Every row that loading telemetry writes for a tenant, by URNs, patterns and places instead of ids: equal for equal loads, whoever's they are. */
export async function everything({ db, id, tenantId }: Scope) {
  const rows = async (query: ReturnType<typeof sql>) => (await query.execute(db)).rows
  const place = sql`jsonb_build_object('dataset', place.dataset, 'from', place.t_from, 'bucket', place.bucket, 'key', place.object_key) as sample`
  return {
    resources: await rows(sql`
      select urn, type, name, env, region, zone, labels from ${id('dim_resource')} where tenant_id = ${tenantId} order by urn collate "C"`),
    metrics: await rows(sql`
      select row.bucket, resource.urn, row.metric, row.labels, row.unit, row.kind, row.avg_val, row.max_val, row.p95_val, row.sample_count, row.histogram
      from ${id('metric_1m')} as row join ${id('dim_resource')} as resource using (tenant_id, resource_id)
      where row.tenant_id = ${tenantId} order by row.bucket, resource.urn collate "C", row.metric collate "C", md5(row.labels::text)`),
    calls: await rows(sql`
      select row.bucket, caller.urn as src, callee.urn as dst, row.rps, row.err_rate, row.p50_ms, row.p95_ms, row.call_count, row.error_count,
        row.histogram, row.callee_count, row.callee_p50_ms, row.callee_p95_ms, row.callee_histogram, ${place}
      from ${id('service_call_5m')} as row
      join ${id('dim_resource')} as caller on caller.tenant_id = row.tenant_id and caller.resource_id = row.src_resource_id
      join ${id('dim_resource')} as callee on callee.tenant_id = row.tenant_id and callee.resource_id = row.dst_resource_id
      left join ${id('oo_locator')} as place on place.tenant_id = row.tenant_id and place.id = row.sample_ref
      where row.tenant_id = ${tenantId} order by row.bucket, caller.urn collate "C", callee.urn collate "C"`),
    patterns: await rows(sql`
      select pattern, sample_message, severity, attrs_schema, first_seen, last_seen from ${id('log_pattern')}
      where tenant_id = ${tenantId} order by pattern collate "C"`),
    counts: await rows(sql`
      select row.bucket, resource.urn, known.pattern, row.count_total, row.count_error, ${place}
      from ${id('log_pattern_5m')} as row
      join ${id('dim_resource')} as resource using (tenant_id, resource_id)
      join ${id('log_pattern')} as known using (tenant_id, fingerprint_id)
      left join ${id('oo_locator')} as place on place.tenant_id = row.tenant_id and place.id = row.sample_ref
      where row.tenant_id = ${tenantId} order by row.bucket, resource.urn collate "C", known.pattern collate "C"`),
    sketches: await rows(sql`
      select row.bucket, resource.urn, row.dimension, row.count_total, row.count_error, row.distinct_sketch::text, row.error_sketch::text, row.heavy_hitters
      from ${id('sketch_5m')} as row join ${id('dim_resource')} as resource using (tenant_id, resource_id)
      where row.tenant_id = ${tenantId} order by row.bucket, resource.urn collate "C", row.dimension collate "C"`),
    locators: await rows(sql`
      select dataset, bucket, object_key, t_from, t_to, query_hint, attributes from ${id('oo_locator')}
      where tenant_id = ${tenantId} order by dataset, t_from, bucket collate "C", object_key collate "C"`),
  }
}
