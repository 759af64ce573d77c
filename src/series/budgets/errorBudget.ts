import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import { timeRange, type TimeRange } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { parseOptions } from '../../schema/parse.ts'
import { countedEvents, objectiveShare, toleranceOf, type ServiceLevelCounts } from './serviceLevel.ts'

export interface ErrorBudgetOptions {
  /** The share of events that are to be good: 0.999. */
  objective: number
  /** The window of the objective: buckets that begin in it. Default: all that the frames hold. */
  range?: TimeRange
}

/** How much of its error budget a series has left. */
export interface ErrorBudget {
  series: string
  /**
   * The events counted; 0 for a series that only `bad` has, which mostly means that the frames name
   * their series differently.
   */
  total: number
  /** The bad ones among them. */
  bad: number
  /** The share of good ones, 0..1; null without events. */
  sli: number | null
  /** How many bad ones the objective allows of so many events. */
  allowed: number
  /**
   * The share of the budget that is left: 1 untouched, 0 spent, -1 spent twice over; null without
   * events.
   */
  remaining: number | null
  /** The series again: the answer is a ranking frame. */
  item: string
  /** The share of the budget that is spent; null without events. */
  score: number | null
}

const errorBudgetOptions = z.strictObject({ objective: objectiveShare, range: timeRange.optional() })

/**
 * How much of its error budget each series has left: the objective allows a share of
 * `1 - objective` of all events to be bad. The least left first, then by series.
 *
 * It is the budget of the events that were, as in the literature; with half of the window still to
 * come, expect as many events again. Nulls, NaN and magnitudes above 1e100 count nothing.
 *
 * Literature: Beyer, Murphy, Rensin, Kawahara and Thorne (ed.), "The Site Reliability Workbook"
 * (O'Reilly 2018), chapter 2, "Implementing SLOs".
 *
 * @throws InvalidInputError when the objective is not between 0 and 1 (both excluded), or the range
 * is none.
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
