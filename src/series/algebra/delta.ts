import { sql } from 'kysely'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseStepOptions, stepValue, steps, type StepOptions } from './steps.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'

/**
 * How much each series changed from one of its points to the next. Ordered by series, then time.
 *
 * | point | `value` |
 * |---|---|
 * | with an earlier value | the value minus the last earlier value that is not null, however long ago |
 * | null, or the first value of a series | null |
 * | NaN | NaN, and NaN at the next point too |
 * | an infinity | infinite or NaN, here and at the next point |
 *
 * - {@link rate} divides the change by the time it took.
 * - `counter: true` says that the series is a count that only grows until it restarts at zero. A
 *   value below the one before it is then the change itself, as in Prometheus' `increase`, but
 *   nothing is extrapolated to the ends of a range. What was counted between the last point before
 *   the reset and the reset is unknown and missing.
 * - Do not use `counter` for an ingested monotonic sum: `metricSeries` gives it as a rate per
 *   second, not as a count.
 * - For very small and large values see {@link SeriesRow}.
 *
 * @throws InvalidInputError naming the option that is wrong.
 * @example
 * const used = metricSeries(scope, { metric: 'system.filesystem.usage', measure: 'max', range: last('7 days'), resolution: '1 hour' })
 * await delta(scope, used).execute()
 *
 * // select "delta".* from (
 * //   select "point"."series", "point"."bucket", (point.value - point.before) as "value"
 * //   from (select ..., pg_catalog.lag(point.value) over (partition by point.series collate "C",
 * //     point.value is null
 * //     order by point.bucket) as "before" from (...) as "point") as "point"
 * //   order by ("point"."series") collate "C", "point"."bucket"
 * // ) as "delta"
 */
export function delta(scope: Scope, frame: SeriesFrame, options: StepOptions = {}): Finished<SeriesRow, 'delta'> {
  const { counter } = parseStepOptions(options)
  const changes = scope.db
    .selectFrom(steps(scope, frame).as('point'))
    .select(['point.series', 'point.bucket', stepValue(counter).as('value')])
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, changes, 'delta')
}
