import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { ofTenant } from '../../database/sql/ofTenant.ts'
import type { CallEnds } from '../rollups/calls/spanJoin.ts'
import type { MetricKey } from '../rollups/metrics/metricTally.ts'
import type { IngestWindow, SketchKey } from '../rollups/windows/ingestWindow.ts'

/** Rows that a window no longer has, now that more records are known. */
export interface GoneRows {
  calls: readonly CallEnds[]
  metrics: readonly MetricKey[]
  sketches: readonly SketchKey[]
}

/**
 * Deletes rows that a window had before more was known: a call to a host whose own span has arrived
 * since, a rate that an earlier point has changed.
 */
export async function deleteGone(scope: Scope, { from }: IngestWindow, { calls, metrics, sketches }: GoneRows): Promise<void> {
  if (calls.length > 0) {
    await sql`
      delete from ${scope.id('service_call_5m')} as call
      using jsonb_to_recordset(${JSON.stringify(calls)}::jsonb) as gone (src text, dst text),
        ${scope.id('dim_resource')} as caller,
        ${scope.id('dim_resource')} as callee
      where caller.tenant_id = ${scope.tenantId}::int8 and caller.urn = gone.src
        and callee.tenant_id = ${scope.tenantId}::int8 and callee.urn = gone.dst
        and call.bucket = ${from} and call.tenant_id = ${scope.tenantId}::int8
        and call.src_resource_id = caller.resource_id and call.dst_resource_id = callee.resource_id
    `.execute(scope.db)
  }
  if (metrics.length > 0) {
    await sql`
      delete from ${scope.id('metric_1m')} as metric
      using jsonb_to_recordset(${JSON.stringify(metrics)}::jsonb) as gone (bucket timestamptz, resource text, metric text, labels jsonb),
        ${scope.id('dim_resource')} as resource,
        ${scope.id('metric_series')} as known
      where resource.tenant_id = ${scope.tenantId}::int8 and resource.urn = gone.resource
        and known.tenant_id = ${scope.tenantId}::int8 and known.resource_id = resource.resource_id
        and known.metric = gone.metric and known.labels = gone.labels
        and metric.series_id = known.series_id and metric.bucket = gone.bucket and ${ofTenant(scope, 'metric')}
    `.execute(scope.db)
  }
  if (sketches.length > 0) {
    await sql`
      delete from ${scope.id('sketch_5m')} as sketch
      using jsonb_to_recordset(${JSON.stringify(sketches)}::jsonb) as gone (resource text, dimension text),
        ${scope.id('dim_resource')} as resource
      where resource.tenant_id = ${scope.tenantId}::int8 and resource.urn = gone.resource
        and sketch.tenant_id = ${scope.tenantId}::int8 and sketch.resource_id = resource.resource_id
        and sketch.dimension = gone.dimension and sketch.bucket = ${from}
    `.execute(scope.db)
  }
}
