import { sql, type Expression, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'

/** The columns of a rollup row that describe the distribution of its samples. */
export interface SampleColumns {
  /** The row's exponential histogram. */
  histogram: Expression<Buffer | null>
  /** The number of samples of the row. */
  count: Expression<string | number | null>
  /** The sample's value if there is only one: rollups then store no histogram. */
  single: Expression<number | null>
}

/** Names an installed function of `sql/`: `scope.id`. */
type InstalledFunction = Scope['id']

/**
 * The histogram of a rollup row. One sample has no stored histogram: its value is every percentile.
 * Several samples without a histogram have an unknown distribution: null.
 */
export const rowHistogram = (fn: InstalledFunction, { histogram, count, single }: SampleColumns): RawBuilder<Buffer | null> =>
  sql`coalesce(${histogram}, case when ${count} = 1 then ${fn('exp_histogram')}(${single}) end)`

/** The merged histogram of several rows: an aggregate; null if no row has one. */
export const mergedHistogram = (fn: InstalledFunction, histogram: Expression<Buffer | null>): RawBuilder<Buffer | null> =>
  sql`${fn('exp_histogram_merge')}(${histogram})`

/**
 * The quantile `q` of a histogram. `q` is a literal, because PostgreSQL evaluates equal aggregates
 * only once if they contain no parameter.
 */
export const quantileOf = (fn: InstalledFunction, histogram: Expression<Buffer | null>, q: number): RawBuilder<number | null> =>
  sql`${fn('exp_histogram_quantile')}(${histogram}, ${sql.lit(q)}::float8)`
