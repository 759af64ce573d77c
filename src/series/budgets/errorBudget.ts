import { sql } from 'kysely'
import { z } from 'zod'
import { checkedRange, type TimeRange } from '../../database/range.ts'
import { finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { countedEvents, objectiveShare, toleranceOf, type ServiceLevelCounts } from './serviceLevel.ts'

export interface ErrorBudgetOptions {
  /** The share of events that are to be good: 0.999. */
  objective: number
  /** The window of the objective: buckets that begin in it. Default: all that the frames hold. */
  range?: TimeRange
}

const errorBudgetOptions = z.strictObject({ objective: objectiveShare, range: z.custom<TimeRange>().optional() })

/**
 * How much of its error budget each series has left: the objective allows a share of `1 - objective` of all events to be bad. The least left first, then
 * by series.
 *
 * Rows: `series`; `total` and `bad`, the events counted; `sli`, the share of good ones (0..1); `allowed`, how many bad ones the objective allows of so
 * many events; `remaining`, the share of the budget that is left: 1 untouched, 0 spent, -1 spent twice over; `item` (the series) and `score` (the share
 * that is spent). A series with no event at all has neither good nor bad: `sli`, `remaining` and `score` are null. So they are for a series that only `bad`
 * has: what was counted against nothing is shown with a `total` of 0, as it mostly means that the frames name their series differently. Nulls, NaN and
 * magnitudes above 1e100 count nothing.
 *
 * It is the budget of the events that were, as in the literature; with half of the window still to come, expect as many events again.
 *
 * Literature: Beyer, Murphy, Rensin, Kawahara and Thorne (ed.), "The Site Reliability Workbook" (O'Reilly 2018), chapter 2, "Implementing SLOs".
 *
 * @throws InvalidInputError when the objective is not between 0 and 1 (both excluded), or the range is none.
 * @example
 * const range = last('28 days')
 * const counts = {
 *   total: callSeries(scope, { to: checkout, measure: 'call_count', range }),
 *   bad: callSeries(scope, { to: checkout, measure: 'error_count', range }),
 * }
 * const [budget] = await errorBudget(scope, counts, { objective: 0.999 }).execute()
 *
 * // select "budget".* from (
 * //   select ..., 1 - "bad" / nullif("total", 0) as "sli", ..., 1 - "bad" * 1000 / nullif("total" * 1, 0) as "remaining" from (
 * //     select "series", coalesce(sum("total"), 0) as "total", coalesce(sum("bad"), 0) as "bad" from (... union all ...) group by "series"
 * //   ) order by "remaining" nulls last, "series"
 * // ) as "budget"
 */
export function errorBudget(scope: Scope, counts: ServiceLevelCounts, options: ErrorBudgetOptions) {
  const { objective, range } = parseOptions(errorBudgetOptions, options)
  const tolerance = toleranceOf(objective)
  const window = range && checkedRange(range, 'range')
  const summed = scope.db
    .selectFrom(countedEvents(scope, counts).as('event'))
    .$if(window !== undefined, (events) => events.where('event.bucket', '>=', window!.from).where('event.bucket', '<', window!.to))
    .select(['event.series', sql<number>`coalesce(sum(event.total), 0)`.as('total'), sql<number>`coalesce(sum(event.bad), 0)`.as('bad')])
    .groupBy('event.series')
  const spent = tolerance.burn(sql`event.bad`, sql`event.total`)
  const budget = scope.db
    .selectFrom(summed.as('event'))
    .select([
      'event.series',
      'event.total',
      'event.bad',
      sql<number | null>`1::float8 - event.bad / nullif(event.total, 0::float8)`.as('sli'),
      tolerance.allowed(sql`event.total`).as('allowed'),
      sql<number | null>`1::float8 - ${spent}`.as('remaining'),
      'event.series as item',
      spent.as('score'),
    ])
    .orderBy('remaining', (order) => order.asc().nullsLast())
    .orderBy('event.series')
  return finished(scope, budget, 'budget')
}
