import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import { jsonChunks } from './jsonChunks.ts'
import { storedHistogram } from './storedHistogram.ts'

/** Writes the minutes of metrics of a window. */
export async function writeMetrics(scope: Scope, { metrics }: IngestWindow, resourceIds: ReadonlyMap<string, string>): Promise<void> {
  const rows = metrics.map((row) => ({
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
    histogram: storedHistogram(row.histogram),
  }))
  for (const chunk of jsonChunks(rows)) {
    await sql`
      insert into ${scope.id('metric_1m')} as metric
        (bucket, tenant_id, resource_id, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, histogram)
      select bucket, ${scope.tenantId}::int8, resource_id, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, histogram
      from jsonb_to_recordset(${chunk}::jsonb) as row (
        bucket timestamptz, resource_id int8, metric text, labels jsonb, unit text, kind text,
        avg_val float8, max_val float8, p95_val float8, sample_count int8, histogram bytea
      )
      order by resource_id, metric collate "C", md5(labels::text), bucket
      on conflict (series_id, bucket) do update set
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
}

/** A count limited to int8. */
const whole = (count: number) => Math.min(count, 2 ** 63 - 1024)
