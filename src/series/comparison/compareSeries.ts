import { sql } from 'kysely'
import { z } from 'zod'
import type { Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { measuredPoints } from '../points.ts'
import type { SeriesFrame } from '../seriesFrame.ts'
import { compareSamples, comparisonFields, type Comparison, type ComparisonOptions } from './compareSamples.ts'

const compareSeriesOptions = z.strictObject(comparisonFields)

/**
 * Compares two frames series by series, as {@link compareWindows} compares two windows of one
 * frame. For example a canary with the instances that kept the old version.
 *
 * Series are paired by name. Order, assumptions and literature are those of `compareWindows`.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const errors = (to: string) => callSeries(scope, { to, measure: 'err_rate', range: last('30 minutes') })
 * const named = (to: string) =>
 *   scope.db.selectFrom(errors(to).as('point')).select([sql<string>`'checkout'`.as('series'), 'point.bucket', 'point.value'])
 * await compareSeries(scope, { baseline: named(stable), candidate: named(canary) }).execute()
 *
 * // select "comparison".* from (
 * //   ... select "point"."series", "point"."value", false as "candidate" from (...) as "point"
 * //   union all select "point"."series", "point"."value", true as "candidate" from (...) as
 * //     "point" ...
 * // ) as "comparison"
 */
export function compareSeries(
  scope: Scope,
  { baseline, candidate }: { baseline: SeriesFrame; candidate: SeriesFrame },
  options: ComparisonOptions = {},
): Finished<Comparison, 'comparison'> {
  const settings = parseOptions(compareSeriesOptions, options)
  const side = (frame: SeriesFrame, isCandidate: boolean) =>
    scope.db
      .selectFrom(measuredPoints(scope, frame).as('point'))
      .select(['point.series', 'point.value', sql<boolean>`${sql.lit(isCandidate)}`.as('candidate')])
  return compareSamples(scope, side(baseline, false).unionAll(side(candidate, true)), settings)
}
