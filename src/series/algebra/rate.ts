import { sql } from 'kysely'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseStepOptions, stepValue, steps, type StepOptions } from './steps.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'

/**
 * How fast each series changes from one of its points to the next, per second. Ordered by series,
 * then time.
 *
 * Rows: the rows of the frame; `value` is the {@link delta} divided by the seconds since the last
 * earlier point that is not null. It is null for a null and for the first value of a series. Across
 * a gap it is the mean rate of the gap.
 *
 * - `counter: true` takes a drop for a reset to zero, as in Prometheus' `rate`: the value after it
 *   is what was counted since. Nothing is extrapolated.
 * - Take the rate of each counter before you add counters up. Otherwise the reset of one counter
 *   looks like a reset of the sum, and the whole sum is counted again.
 * - Use it for counters in your own tables, and for gauges. `metricSeries` gives an ingested
 *   monotonic sum as a rate per second already; the rate of that is how fast the rate changes.
 *
 * @throws InvalidInputError naming the option that is wrong.
 * @example
 * const requests = scope.db.selectFrom(sql<SeriesRow>`(select host as series, at as bucket, requests_total as value from web_stats)`.as('stat')).selectAll()
 * await aggregateAcross(scope, rate(scope, requests, { counter: true }), { with: 'sum' }).execute()
 *
 * // select "rate".* from (
 * //   select "point"."series", "point"."bucket",
 * //     case when ... end / nullif(extract(epoch from point.bucket - point.since)::float8,
 * //       0::float8) as "value"
 * //   from (select ..., pg_catalog.lag(point.bucket) over (partition by point.series collate "C",
 * //     point.value is null
 * //     order by point.bucket) as "since" from (...) as "point") as "point"
 * //   order by ("point"."series") collate "C", "point"."bucket"
 * // ) as "rate"
 */
export function rate(scope: Scope, frame: SeriesFrame, options: StepOptions = {}): Finished<SeriesRow, 'rate'> {
  const { counter } = parseStepOptions(options)
  const rates = scope.db
    .selectFrom(steps(scope, frame).as('point'))
    .select([
      'point.series',
      'point.bucket',
      sql<number | null>`${stepValue(counter)} / nullif(extract(epoch from point.bucket - point.since)::float8, 0::float8)`.as('value'),
    ])
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, rates, 'rate')
}
