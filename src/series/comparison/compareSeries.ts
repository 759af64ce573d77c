import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { compareSamples, parseComparison, type ComparisonOptions } from './compareSamples.ts'
import { measuredPoints } from '../measuredPoints.ts'
import type { SeriesFrame } from '../seriesFrame.ts'

/**
 * Two frames compared series by series, as {@link compareWindows} compares two windows of one: a canary against the instances that kept the old version
 * at the same time, or any two samples. Series are paired by name; rows, assumptions and literature are those of `compareWindows`.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const errors = (to: string) => callSeries(scope, { to, measure: 'err_rate', range: last('30 minutes') })
 * const named = scope.db.selectFrom(errors(canary).as('point')).select([sql<string>`'checkout'`.as('series'), 'bucket', 'value'])
 * ...
 * await compareSeries(scope, { baseline: stableNamed, candidate: named }).execute()
 *
 * // select "comparison".* from (... select ..., false as "candidate" from (...) union all select ..., true from (...) ...) as "comparison"
 */
export function compareSeries(
  scope: Scope,
  { baseline, candidate }: { baseline: SeriesFrame; candidate: SeriesFrame },
  options: ComparisonOptions = {},
) {
  const side = (frame: SeriesFrame, isCandidate: boolean) =>
    scope.db
      .selectFrom(measuredPoints(scope, frame).as('point'))
      .select(['point.series', 'point.value', sql<boolean>`${sql.lit(isCandidate)}`.as('candidate')])
  return compareSamples(scope, side(baseline, false).unionAll(side(candidate, true)), parseComparison(options))
}
