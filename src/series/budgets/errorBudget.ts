import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import { timeRange, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import { countedEvents, objectiveShare, toleranceOf, type ServiceLevelCounts } from './serviceLevel.ts'

export interface ErrorBudgetOptions {
  /** The share of events that should be good: 0.999. */
  objective: number
  /** The window of the objective: buckets that begin in it count. Default: the whole frame. */
  range?: TimeRange
}

/** How much of its error budget a series has left. */
export interface ErrorBudget {
  series: string
  /**
   * The number of events. 0 for a series that only `bad` has; usually the frames then name their
   * series differently.
   */
  total: number
  /** The number of bad events. */
  bad: number
  /** The share of good events, 0..1; null if there are no events. */
  sli: number | null
  /** How many bad events the objective allows for this `total`. */
  allowed: number
  /**
   * The share of the budget that is left: 1 is untouched, 0 spent, -1 spent twice. Null if there
   * are no events.
   */
  remaining: number | null
  /** Equal to `series`: it makes the answer a ranking frame. */
  item: string
  /** The share of the budget that is spent; null if there are no events. */
  score: number | null
}

const errorBudgetOptions = z.strictObject({ objective: objectiveShare, range: timeRange.optional() })

/**
 * How much of its error budget each series has left. The objective allows a share of
 * `1 - objective` of all events to be bad. The least left comes first, then by series.
 *
 * The budget is that of the events so far, as in the literature. Halfway through the window, expect
 * as many events again. Nulls, NaN and magnitudes above 1e100 count as 0 events.
 *
 * Literature: Beyer, Murphy, Rensin, Kawahara and Thorne (ed.), "The Site Reliability Workbook"
 * (O'Reilly 2018), chapter 2, "Implementing SLOs".
 *
 * @throws InvalidInputError if the objective is not between 0 and 1 (both excluded) or the range is
 * invalid.
 * @example
 * const range = last('28 days')
 * const counts = {
 *   total: callSeries(scope, { to: checkout, measure: 'call_count', range }),
 *   bad: callSeries(scope, { to: checkout, measure: 'error_count', range }),
 * }
 * const [budget] = await errorBudget(scope, counts, { objective: 0.999 }).execute()
 *
 * // select "budget".* from (
 * //   select ..., 1::float8 - event.bad / nullif(event.total, 0::float8) as "sli", ...,
 * //     1::float8 - event.bad * $3::float8 / nullif(event.total * $4::float8, 0::float8) as
 * //       "remaining", ... from (
 * //     select "event"."series", coalesce(sum(event.total), 0) as "total",
 * //       coalesce(sum(event.bad), 0) as "bad"
 * //     from (... union all ...) as "event" group by "event"."series"
 * //   ) as "event" order by "remaining" asc nulls last, ("event"."series") collate "C"
 * // ) as "budget"
 */
export function errorBudget(scope: Scope, counts: ServiceLevelCounts, options: ErrorBudgetOptions): Finished<ErrorBudget, 'budget'> {
  const { objective, range } = parseOptions(errorBudgetOptions, options)
  const tolerance = toleranceOf(objective)
  const summed = scope.db
    .selectFrom(countedEvents(scope, counts).as('event'))
    .$if(range !== undefined, (events) => events.where('event.bucket', '>=', range!.from).where('event.bucket', '<', range!.to))
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
    .orderBy(byBytes(sql.ref('event.series')))
  return finished(scope, budget, 'budget')
}
