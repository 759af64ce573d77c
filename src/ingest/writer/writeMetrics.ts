import { setImmediate } from 'node:timers/promises'
import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { insertOrReplace } from './insertOrReplace.ts'
import { KnownSeries, takeTurnForNewSeries } from './newSeries.ts'
import { metricBatches, type MetricBatch, type MetricSeries } from './metricBatches.ts'

/**
 * Writes the minutes of metrics of a window: the rows of each series, in order.
 *
 * @returns how many rows were written; the others were there, unchanged.
 */
export async function writeMetrics(
  scope: Scope,
  series: readonly MetricSeries[],
  resourceIds: ReadonlyMap<string, string>,
  known = new KnownSeries(),
): Promise<number> {
  if (series.length === 0) return 0
  await takeTurnForNewSeries(scope, series, resourceIds, known)
  return insertOrReplace(scope, 'metric_1m', timesOf(series), replacing, (onConflict) =>
    writeBatches(scope, metricBatches(series, resourceIds), onConflict),
  )
}

function timesOf(series: readonly MetricSeries[]): { first: Date; last: Date } {
  let [first, last] = [Infinity, -Infinity]
  for (const { rows } of series) {
    first = Math.min(first, rows[0]!.bucket.getTime())
    last = Math.max(last, rows.at(-1)!.bucket.getTime())
  }
  return { first: new Date(first), last: new Date(last) }
}

async function writeBatches(scope: Scope, batches: Iterator<MetricBatch>, onConflict: RawBuilder<unknown>): Promise<number> {
  let written = 0
  let batch = batches.next()
  while (batch.done !== true) {
    // The next one is made while the server writes this one, so after this one has been sent.
    const next = setImmediate().then(() => batches.next())
    const [count, following] = await Promise.all([insert(scope, batch.value, onConflict), next])
    written += count
    batch = following
  }
  return written
}

async function insert(scope: Scope, batch: MetricBatch, onConflict: RawBuilder<unknown>): Promise<number> {
  const { numAffectedRows = 0n } = await sql`
    insert into ${scope.id('metric_1m')} as metric
      (bucket, tenant_id, resource_id, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, histogram)
    select given.buckets[row.bucket], ${scope.tenantId}::int8, series.resource_id, series.metric, series.labels, series.unit, series.kind,
      row.avg_val, row.max_val, row.p95_val, row.sample_count, substring(given.histograms from row.histogram_from for row.histogram_length)
    from (
      select ${batch.series}::jsonb as series, ${batch.buckets}::text::timestamptz[] as buckets,
        ${batch.bucket}::text::int4[] as bucket, ${batch.seriesOfRow}::text::int4[] as series_of_row,
        ${batch.avg}::text::float8[] as avg_val, ${batch.max}::text::float8[] as max_val, ${batch.p95}::text::float8[] as p95_val,
        ${batch.sampleCount}::text::int8[] as sample_count, ${batch.histograms.bytes}::bytea as histograms,
        ${batch.histograms.from}::text::int4[] as histogram_from, ${batch.histograms.length}::text::int4[] as histogram_length
      -- Else the planner would read the arrays too, to count their elements.
      offset 0
    ) as given
    cross join lateral rows from (
      jsonb_to_recordset(given.series) as (resource_id int8, metric text, labels jsonb, unit text, kind text)
    ) with ordinality as series (resource_id, metric, labels, unit, kind, place)
    join lateral unnest(
      given.bucket, given.series_of_row, given.avg_val, given.max_val, given.p95_val, given.sample_count, given.histogram_from, given.histogram_length
    ) with ordinality as row (bucket, series, avg_val, max_val, p95_val, sample_count, histogram_from, histogram_length, place)
      on row.series = series.place
    order by row.place
    ${onConflict}
  `.execute(scope.db)
  return Number(numAffectedRows)
}

const replacing = sql`on conflict (series_id, bucket) do update set
      unit = excluded.unit,
      kind = excluded.kind,
      avg_val = excluded.avg_val,
      max_val = excluded.max_val,
      p95_val = excluded.p95_val,
      sample_count = excluded.sample_count,
      histogram = excluded.histogram
    where (metric.unit, metric.kind, metric.avg_val, metric.max_val, metric.p95_val, metric.sample_count, metric.histogram)
      is distinct from (excluded.unit, excluded.kind, excluded.avg_val, excluded.max_val, excluded.p95_val, excluded.sample_count, excluded.histogram)`
