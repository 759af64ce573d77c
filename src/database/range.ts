import { z } from 'zod'
import { withinStorable } from '../schema/date.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parse, preview } from '../schema/parse.ts'

/** A half-open range of time: it includes `from` and excludes `to`. */
export interface TimeRange {
  readonly from: Date
  readonly to: Date
}

/** A thousand years: JavaScript and PostgreSQL can both write a date that far from now. */
const maxMilliseconds = 365_250 * 86_400_000

const unitMilliseconds = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 604_800_000 } as const

/** No real duration is longer. */
const maxDurationLength = 100

const durationProblem = "must be a positive interval such as '30 minutes' or '1 day 12 hours', at most a thousand years"

/**
 * The milliseconds of a duration in the form of a PostgreSQL interval: `'30 minutes'`, `'1 hour'`,
 * `'1 day 12 hours'`.
 *
 * Only units of fixed length are accepted (seconds to weeks; a day is 24 hours): months and years
 * vary in length.
 *
 * @throws InvalidInputError, naming the option `name`, if the text is not such an interval, is not
 * positive, or is longer than a thousand years.
 */
export function milliseconds(duration: string, name = 'duration'): number {
  const total = typeof duration === 'string' && duration.length <= maxDurationLength ? summed(duration) : NaN
  if (!(total > 0 && total <= maxMilliseconds)) throw new InvalidInputError(name, `${durationProblem}, got ${preview(duration)}`)
  return total
}

/** NaN if the text is not a sequence of amounts with units. */
function summed(duration: string): number {
  const parts = [...duration.matchAll(/(\d+)(?:\.(\d+))?\s*(second|minute|hour|day|week)s?\s*/gy)]
  const matched = parts.reduce((length, [text]) => length + text.length, 0)
  if (matched !== duration.length) return NaN
  // The digits are read as a whole number, so that the result is that of the decimal: 0.07 * 1000
  // is 70.00000000000001.
  return parts.reduce(
    (sum, [, whole, decimals = '', unit]) =>
      sum + (Number(`${whole}${decimals}`) * unitMilliseconds[unit as keyof typeof unitMilliseconds]) / 10 ** decimals.length,
    0,
  )
}

/**
 * A number of milliseconds as a duration, in the largest unit that divides it:
 * `durationOf(7_200_000)` is `'2 hours'`.
 */
export function durationOf(length: number): string {
  const unit = (['day', 'hour', 'minute'] as const).find((unit) => length % unitMilliseconds[unit] === 0) ?? 'second'
  return `${length / unitMilliseconds[unit]} ${unit}s`
}

/** A duration in options: a PostgreSQL interval of fixed length, such as `'30 minutes'`. */
export const durationText = z.string().refine(isDuration, durationProblem)

function isDuration(text: string): boolean {
  try {
    return milliseconds(text) > 0
  } catch {
    return false
  }
}

/**
 * The range that ends now: `last('30 minutes')`.
 *
 * It becomes two dates when it is called, so every query that uses it has the same end. `clock`
 * returns the current time; pass one for replays and tests.
 *
 * @throws InvalidInputError if `duration` is not a positive interval.
 */
export function last(duration: string, clock: () => Date = () => new Date()): TimeRange {
  const to = clock()
  return { from: earlier(to, duration), to }
}

/** The time that is a duration earlier; at the earliest, the first time that can be stored. */
export const earlier = (moment: Date, duration: string): Date => withinStorable(new Date(moment.getTime() - milliseconds(duration)))

const end = z.date('must be a valid Date')

/**
 * A time range in options. An empty range (`from` equals `to`) is valid and contains nothing. A
 * range that runs backwards is refused.
 *
 * Times outside the years 1 to 9999 cannot be stored, so a range that reaches beyond them, such as
 * one of JavaScript's earliest and latest dates, ends there.
 */
export const timeRange = z
  .object({ from: end, to: end }, "must be a time range { from, to }, as last('1 hour') gives it")
  .superRefine(({ from, to }, { addIssue }) => {
    if (from > to) addIssue({ code: 'custom', path: ['from'], message: `must not be after to (${to.toISOString()})` })
  })
  .transform(({ from, to }): TimeRange => ({ from: withinStorable(from), to: withinStorable(to) }))

/** {@link timeRange} for a single value. */
export const checkedRange = (range: TimeRange, name = 'range'): TimeRange => parse(timeRange, range, name)

/** The length of a range in seconds. */
export const secondsOf = ({ from, to }: TimeRange): number => (to.getTime() - from.getTime()) / 1000

/** Refuses a candidate that overlaps its baseline. */
export function refuseOverlapping(
  { baseline, candidate }: { baseline: TimeRange; candidate: TimeRange },
  { addIssue }: z.core.$RefinementCtx,
): void {
  if (baseline.from >= candidate.to || candidate.from >= baseline.to) return
  const window = `${baseline.from.toISOString()} to ${baseline.to.toISOString()}`
  addIssue({ code: 'custom', path: ['candidate'], message: `must not overlap the baseline (${window})` })
}
