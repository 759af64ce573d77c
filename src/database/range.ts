import { z } from 'zod'
import { firstDate, lastDate, withinStorable } from '../schema/date.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'

/** A half-open stretch of time: `from` belongs to it, `to` does not. */
export interface TimeRange {
  readonly from: Date
  readonly to: Date
}

/** A thousand years: a date so far from now is still one that JavaScript and PostgreSQL can both write. */
const maxMilliseconds = 365_250 * 86_400_000

const unitMilliseconds = { second: 1_000, minute: 60_000, hour: 3_600_000, day: 86_400_000, week: 604_800_000 } as const

/** Nobody writes a longer one. */
const maxDurationLength = 100

const durationProblem = "must be a positive interval such as '30 minutes' or '1 day 12 hours', at most a thousand years"

/**
 * The milliseconds of a duration written as a PostgreSQL interval: `'30 minutes'`, `'1 hour'`, `'1 day 12 hours'`.
 *
 * Only units of fixed length are taken (seconds to weeks, a day being 24 hours): a month or a year has no length of its own.
 *
 * @throws InvalidInputError, naming the option `name`, when the text is not such an interval, is not positive, or is longer than a thousand years.
 */
export function milliseconds(duration: string, name = 'duration'): number {
  const total = typeof duration === 'string' && duration.length <= maxDurationLength ? summed(duration) : NaN
  if (!(total > 0 && total <= maxMilliseconds)) throw new InvalidInputError(name, `${durationProblem}, got ${preview(duration)}`)
  return total
}

/** NaN where the text is anything else than amounts with their units. */
function summed(duration: string): number {
  const parts = [...duration.matchAll(/(\d+)(?:\.(\d+))?\s*(second|minute|hour|day|week)s?\s*/gy)]
  const matched = parts.reduce((length, [text]) => length + text.length, 0)
  if (matched !== duration.length) return NaN
  // The digits as a whole number, so that the decimal that was typed is meant: 0.07 * 1000 is 70.00000000000001.
  return parts.reduce(
    (sum, [, whole, decimals = '', unit]) =>
      sum + (Number(`${whole}${decimals}`) * unitMilliseconds[unit as keyof typeof unitMilliseconds]) / 10 ** decimals.length,
    0,
  )
}

/** A duration as an option gives it: a PostgreSQL interval of fixed length, such as `'30 minutes'`. */
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
 * It is resolved to two dates when it is called, so that every query built with it sees the same now. `clock` gives the now; hand one in for
 * replays and tests.
 *
 * @throws InvalidInputError when `duration` is not a positive interval.
 */
export function last(duration: string, clock: () => Date = () => new Date()): TimeRange {
  const to = clock()
  return { from: earlier(to, duration), to }
}

/** So long before a moment; at the earliest, the earliest moment that can be stored. */
export const earlier = (moment: Date, duration: string): Date => withinStorable(new Date(moment.getTime() - milliseconds(duration)))

/**
 * Refuses a range whose ends are not dates or that runs backwards. An empty one (`from` equals `to`) is a range: it holds nothing.
 *
 * Nothing can be stored outside of the years 1 to 9999, so a range that reaches beyond them, as one
 * of JavaScript's earliest and latest dates does, ends there.
 *
 * @throws InvalidInputError naming the end that is wrong.
 */
export function checkedRange(range: TimeRange, name = 'range'): TimeRange {
  for (const end of ['from', 'to'] as const) {
    if (!(range?.[end] instanceof Date) || Number.isNaN(range[end].getTime())) {
      throw new InvalidInputError(`${name}.${end}`, `must be a valid Date, got ${preview(range?.[end])}`)
    }
  }
  if (range.from > range.to) {
    throw new InvalidInputError(`${name}.from`, `must not be after ${name}.to (${range.to.toISOString()}), got ${range.from.toISOString()}`)
  }
  const { from, to } = range
  return from < firstDate || to > lastDate ? { from: withinStorable(from), to: withinStorable(to) } : range
}
