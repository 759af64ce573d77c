import { sql } from 'kysely'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseStepOptions, stepValue, steps, type StepOptions } from './steps.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'

/**
 * How much each series of a frame changed from one of its points to the next, in the order of
 * series and time.
 *
 * Rows: those of the frame, `value` being the value less the last one before it that is not null;
 * null for a null, and for the first value of a series. A gap between the two points does not
 * matter: see {@link rate} for the change by the time it took.
 *
 * With `counter: true` the series is a count that only grows, until what counts starts again at
 * zero: a value below the one before it is then the change itself, as in Prometheus' `increase`,
 * though nothing is extrapolated to the ends of a range. What was counted between the last point
 * before a reset and the reset is not known, and missing.
 *
 * A monotonic sum that was ingested is a rate per second already (`metricSeries` gives it as such),
 * and no count.
 *
 * NaN makes its own change NaN and the next one, an infinity makes them infinite or NaN. Magnitudes
 * below 1e-100 count as 0, above 1e100 as infinite.
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
