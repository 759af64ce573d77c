import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { weightedMean } from '../database/sql/bounded.ts'
import { mergedHistogram, quantileOf, rowHistogram } from '../sketch/rowHistogram.ts'

/**
 * What several rows of `metric_1m`, or of a rollup of it, mean together. Whatever reads or rolls
 * metrics says it with these aggregates: there is no parameter in them, so that a view can hold
 * them too.
 *
 * | | |
 * |---|---|
 * | `average` | of all samples whose average is known |
 * | `averageWeight` | how many these are |
 * | `maximum` | the highest |
 * | `count` | how many samples |
 * | `merged`, `quantile` | the histogram of all samples, and what it says. One sample has none stored: its value, `avg_val`, is all percentiles |
 *
 * @param fn names a function that `sql/` installs: `scope.id`.
 * @param options `alias`: what the rows are called in the statement; left out where their columns
 * need no name before them. `rolled`: all are rows of a rollup, which have a histogram even of one
 * sample, and in `avg_weight` of how many samples their average is.
 */
export function metricRows(fn: Scope['id'], { alias, rolled = false }: { alias?: string; rolled?: boolean } = {}) {
  const text = (column: string) => (alias === undefined ? column : `${alias}.${column}`)
  const column = <T>(name: string): RawBuilder<T> => sql.raw<T>(text(name))
  const samples = {
    histogram: column<string[] | null>('histogram'),
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
