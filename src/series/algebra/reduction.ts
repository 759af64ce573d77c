import { sql } from 'kysely'

/**
 * How several values become one. Nulls are ignored. If all values are null, `count` gives 0 and
 * every other reduction null.
 */
export const reductions = ['avg', 'sum', 'min', 'max', 'count', 'median'] as const
export type Reduction = (typeof reductions)[number]

/** The SQL of each reduction over the rows of a group of `point`. */
export const reduced = {
  avg: sql<number | null>`avg(point.value)`,
  sum: sql<number | null>`sum(point.value)`,
  min: sql<number | null>`min(point.value)`,
  max: sql<number | null>`max(point.value)`,
  count: sql<number | null>`pg_catalog.count(point.value)::float8`,
  median: sql<number | null>`pg_catalog.percentile_cont(0.5::float8) within group (order by point.value)`,
}
