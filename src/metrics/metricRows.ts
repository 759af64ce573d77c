import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { weightedMean } from '../database/sql/bounded.ts'
import { mergedHistogram, quantileOf, rowHistogram } from '../sketch/rowHistogram.ts'

/**
 * Aggregates over several rows of `metric_1m` or its rollups. Every read and rollup of metrics uses
 * them. They contain no parameters, so a view can contain them.
 *
 * | | |
 * |---|---|
 * | `average` | of all samples with a known average |
 * | `averageWeight` | the number of these samples |
 * | `maximum` | the highest value |
 * | `count` | the number of samples |
 * | `merged`, `quantile` | the histogram of all samples, and its quantiles. A single sample has no stored histogram: its value, `avg_val`, is every percentile |
 *
 * @param fn names a function that `sql/` installs: `scope.id`.
 * @param options `alias`: the alias of the rows in the statement; omit it if their columns need no
 * qualifier. `rolled`: all rows come from a rollup. They have a histogram even for one sample, and
 * `avg_weight` is the number of samples in their average.
 */
export function metricRows(fn: Scope['id'], { alias, rolled = false }: { alias?: string; rolled?: boolean } = {}) {
  const text = (column: string) => (alias === undefined ? column : `${alias}.${column}`)
  const column = <T>(name: string): RawBuilder<T> => sql.raw<T>(text(name))
  const samples = {
    histogram: column<Buffer | null>('histogram'),
    count: column<string>('sample_count'),
    single: column<number | null>('avg_val'),
  }
  const merged = mergedHistogram(fn, rolled ? samples.histogram : rowHistogram(fn, samples))
  const weight = rolled ? 'avg_weight' : 'sample_count'
  return {
    average: sql.raw<number | null>(weightedMean(text('avg_val'), text(weight))),
    averageWeight: sql<number>`coalesce(sum(${column(weight)}) filter (where ${column('avg_val')} is not null), 0)`,
    maximum: sql<number | null>`max(${column('max_val')})`,
    count: sql<number>`sum(${column('sample_count')})::float8`,
    merged,
    quantile: (q: number) => quantileOf(fn, merged, q),
  }
}
