import { sql, type Expression, type RawBuilder } from 'kysely'
import type { Scope } from '../database/scope.ts'

/** What a rollup row says about the distribution of its samples. */
export interface SampleColumns {
  /** The row's exponential histogram. */
  histogram: Expression<string[] | null>
  /** How many samples the row stands for. */
  count: Expression<string | number | null>
  /** The sample's value where there is only one: rollups store no histogram then. */
  single: Expression<number | null>
}

/** Names a function that `sql/` installs: `scope.id`. */
type InstalledFunction = Scope['id']

/**
 * The histogram of a rollup row. One sample has none stored: its value is all percentiles. Several
 * samples without one say nothing about their distribution: null.
 */
export const rowHistogram = (fn: InstalledFunction, { histogram, count, single }: SampleColumns): RawBuilder<string[] | null> =>
  sql`coalesce(${histogram}, case when ${count} = 1 then ${fn('exp_histogram')}(${single}) end)`

/** The histogram of several rows together: an aggregate; null where no row has one. */
export const mergedHistogram = (fn: InstalledFunction, histogram: Expression<string[] | null>): RawBuilder<string[] | null> =>
  sql`${fn('exp_histogram_merge')}(${histogram})`

/**
 * The quantile `q` of a histogram. A literal: PostgreSQL evaluates equal aggregates once only while
 * nothing in them is a parameter.
 */
export const quantileOf = (fn: InstalledFunction, histogram: Expression<string[] | null>, q: number): RawBuilder<number | null> =>
  sql`${fn('exp_histogram_quantile')}(${histogram}, ${sql.lit(q)}::float8)`
