import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import { earlier, milliseconds } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import { storableDate } from '../../schema/date.ts'
import { parseOptions } from '../../schema/parse.ts'
import { lengthText } from '../bucketLength.ts'
import { countedEvents, objectiveShare, toleranceOf, type ServiceLevelCounts } from './serviceLevel.ts'

/**
 * One alert. It fires while the burn rate is above `burn` over both the long and the short window.
 */
export interface BurnWindow {
  /** The long window: a high burn rate over it is significant. */
  long: string
  /** The short window, shorter than `long`: a high burn rate over it is still going on. */
  short: string
  /**
   * The burn rate that fires. At 1 the budget is spent exactly at the end of the objective's
   * window.
   */
  burn: number
}

export interface BurnRateOptions {
  /** The share of events that should be good: 0.999. */
  objective: number
  /**
   * Default: the workbook's windows for 30 days: 2 % of the budget in an hour and 5 % in six hours
   * (both page), 10 % in three days (a ticket).
   */
  windows?: readonly BurnWindow[]
  /**
   * The end of the windows; a bucket that begins at it does not count. Default: the time when the
   * query is built.
   */
  at?: Date
}

/** How fast a series burns its error budget over one pair of windows. */
export interface BurnAlert {
  series: string
  /** The pair's `long`, as given. */
  long_window: string
  /** The pair's `short`, as given. */
  short_window: string
  /** The pair's `burn`. */
  burn: number
  /** The burn rate over `[at - long, at)`; null if nothing was counted there. */
  long_burn: number | null
  /** The burn rate over `[at - short, at)`; null if nothing was counted there. */
  short_burn: number | null
  /** Whether both burn rates are above `burn`; false if either is null. */
  firing: boolean
}

const workbookWindows: readonly BurnWindow[] = [
  { long: '1 hour', short: '5 minutes', burn: 14.4 },
  { long: '6 hours', short: '30 minutes', burn: 6 },
  { long: '3 days', short: '6 hours', burn: 1 },
]

const burnRateOptions = z.strictObject({
  objective: objectiveShare,
  windows: z
    .array(
      z
        .strictObject({ long: lengthText, short: lengthText, burn: z.number().gt(0).max(1e100) })
        .refine(({ long, short }) => isShorter(short, long), {
          path: ['short'],
          error: 'must be shorter than the long window',
        }),
    )
    .min(1)
    .max(100)
    .default([...workbookWindows]),
  at: storableDate.optional(),
})

/**
 * A check of two fields also runs when one of them is invalid; then the error of that field is the
 * one to show.
 */
const isShorter = (short: string, long: string): boolean =>
  !lengthText.safeParse(short).success || !lengthText.safeParse(long).success || milliseconds(short) < milliseconds(long)

/**
 * How fast each series burns its error budget over pairs of windows, and which pairs raise an
 * alert. Ordered by series, then by the order of the windows.
 *
 * The burn rate of a window is its share of bad events divided by the share that the objective
 * allows. At 1 the budget lasts exactly as long as the objective's window; at 14.4 a budget of 30
 * days is gone after 50 hours. An alert fires while the burn rate is above `burn` over the long
 * window (so it matters) and over the short one (so it stops soon after the trouble).
 *
 * - A series is in the answer if one of the frames has a row of it in the longest window. If only
 *   `bad` has it, the burn rate is null; usually the frames then name their series differently.
 * - Nulls, NaN and magnitudes above 1e100 count as 0 events.
 * - A bucket counts as a whole, by its beginning. With buckets of 5 minutes give an `at` that is a
 *   multiple of 5 minutes; otherwise the last bucket is not complete.
 * - If the frame's buckets are longer than a short window, that window rarely holds one and does
 *   not fire. For ranges over 35 days ask `callSeries` for `resolution: '5 minutes'`.
 * - With few events the rates jump: one error in ten calls in an hour is a burn rate of 100 for an
 *   objective of 0.999.
 *
 * Literature: "The Site Reliability Workbook" (O'Reilly 2018), chapter 5, "Alerting on SLOs",
 * section "Multiwindow, Multi-Burn-Rate Alerts" and its table 5-8, the source of the default
 * windows and rates.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const range = last('3 days')
 * const counts = { total: callSeries(scope, { measure: 'call_count', range }), bad: callSeries(scope, { measure: 'error_count', range }) }
 * await burnRate(scope, counts, { objective: 0.999, at: range.to }).where('firing', '=', true).execute()
 *
 * // select "alert".* from (
 * //   select "pair"."series", ..., coalesce(pair.long_burn > pair.burn and pair.short_burn >
 * //     pair.burn, false) as "firing" from (
 * //     select "event"."series", ..., coalesce(sum(event.bad) filter (where event.bucket >=
 * //       pair.long_from), 0) * $1::float8
 * //       / nullif(sum(event.total) filter (where event.bucket >= pair.long_from) * $2::float8,
 * //         0::float8) as "long_burn", ...
 * //     from (... union all ...) as "event" cross join (values ($7::int4, $8::text, ...)) as pair
 * //       (position, long_window, ...)
 * //     group by "event"."series", "pair"."position", ...
 * //   ) as "pair" order by ("pair"."series") collate "C", "pair"."position"
 * // ) as "alert"
 */
export function burnRate(scope: Scope, counts: ServiceLevelCounts, options: BurnRateOptions): Finished<BurnAlert, 'alert'> {
  const { objective, windows, at = new Date() } = parseOptions(burnRateOptions, options)
  const tolerance = toleranceOf(objective)
  const burnOf = (condition: RawBuilder<unknown>) =>
    tolerance.burn(sql`coalesce(sum(event.bad) filter (where ${condition}), 0)`, sql`sum(event.total) filter (where ${condition})`)
  const pairs = windows.map(
    ({ long, short, burn }, position) =>
      sql`(${position}::int4, ${long}::text, ${short}::text, ${burn}::float8, ${earlier(at, long)}::timestamptz, ${earlier(at, short)}::timestamptz)`,
  )
  const longest = windows.reduce((longest, { long }) => (milliseconds(long) > milliseconds(longest) ? long : longest), windows[0]!.long)
  const events = scope.db
    .selectFrom(countedEvents(scope, counts).as('event'))
    .selectAll('event')
    .where('event.bucket', '>=', earlier(at, longest))
    .where('event.bucket', '<', at)
  const burnt = scope.db
    .selectFrom(events.as('event'))
    .crossJoin(
      sql<Pair>`(values ${sql.join(pairs)})`.as<'pair'>(sql`pair (position, long_window, short_window, burn, long_from, short_from)`),
    )
    .select([
      'event.series',
      'pair.position',
      'pair.long_window',
      'pair.short_window',
      'pair.burn',
      burnOf(sql`event.bucket >= pair.long_from`).as('long_burn'),
      burnOf(sql`event.bucket >= pair.short_from`).as('short_burn'),
    ])
    .groupBy(['event.series', 'pair.position', 'pair.long_window', 'pair.short_window', 'pair.burn'])
  const alerts = scope.db
    .selectFrom(burnt.as('pair'))
    .select([
      'pair.series',
      'pair.long_window',
      'pair.short_window',
      'pair.burn',
      'pair.long_burn',
      'pair.short_burn',
      sql<boolean>`coalesce(pair.long_burn > pair.burn and pair.short_burn > pair.burn, false)`.as('firing'),
    ])
    .orderBy(byBytes(sql.ref('pair.series')))
    .orderBy('pair.position')
  return finished(scope, alerts, 'alert')
}

interface Pair {
  position: number
  long_window: string
  short_window: string
  burn: number
  long_from: Date
  short_from: Date
}
