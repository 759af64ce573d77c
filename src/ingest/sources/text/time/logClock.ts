import { utc, type TimeZone } from './timeZone.ts'
import type { WrittenTime } from './writtenTime.ts'

const minute = 60_000
const hour = 60 * minute
const day = 86_400_000
const lateness = 180 * day

export interface LogClockOptions {
  /** The zone of times that are written without one; undefined for UTC. */
  readonly zone: TimeZone | undefined
  /** The year of the first time that is written without one. */
  readonly year: number | undefined
  /**
   * The day of the first time that is written without a date: its beginning in UTC, in
   * milliseconds.
   */
  readonly date?: number | undefined
  /** No record was written later, in milliseconds. */
  readonly latest: number
}

/** How far a clock is, as JSON. */
export interface LogClockState {
  readonly local: number | null
  readonly moment: number | null
  readonly isLost: boolean
}

/** What to do about times without a date. */
export const withoutDate = 'its times have no date: give the date of the first line'

/** What is wrong with a time. */
export interface WrongTime {
  readonly reason: string
}

/**
 * Makes moments of the times in a log, read in their order.
 *
 * | what is missing | is taken from |
 * |---|---|
 * | the zone | `zone` |
 * | which of two moments, when clocks were set back | the earlier one, if it is not more than a minute before the time before; else the later one |
 * | the date | the first time: `date`; each other time: the day of the time before, or the next one if it would be more than an hour before that, or the one before if more than 23 hours after it |
 * | the year | the first time: the last year in which it is not after `latest`; each other time: the first year in which it is not 180 days before the time before |
 */
export class LogClock {
  readonly #zone: TimeZone
  readonly #options: LogClockOptions
  /** The time before, in milliseconds: local for the year, a moment for the zone. */
  #local: number | undefined
  #moment: number | undefined
  /** Whether the year of the first time was a wrong one. */
  #isLost = false

  constructor(options: LogClockOptions, state?: LogClockState) {
    this.#options = options
    this.#zone = options.zone ?? utc
    this.#local = state?.local ?? undefined
    this.#moment = state?.moment ?? undefined
    this.#isLost = state?.isLost ?? false
  }

  /** What a clock needs to continue with the next line. */
  get state(): LogClockState {
    return { local: this.#local ?? null, moment: this.#moment ?? null, isLost: this.#isLost }
  }

  /** Nanoseconds since 1970. */
  moment(time: WrittenTime): bigint | WrongTime {
    if (time.epoch !== undefined) return time.epoch
    if (!time.hasDate) return this.#ofDay(time)
    const year = time.year ?? this.#yearOf(time)
    const local = year === undefined ? undefined : localTime(time, year)
    if (local === undefined) return { reason: `there is no ${time.day}.${time.month}.${year ?? ''} (day, month, year)` }
    const moment = typeof time.zone === 'number' ? local - time.zone * minute : this.#momentOf(local)
    // Two days: the clock's zone may be another one.
    if (time.year === undefined && this.#options.year === undefined && moment > this.#options.latest + 2 * day) this.#isLost = true
    // From then on every year may be a wrong one.
    if (time.year === undefined && this.#isLost)
      return { reason: 'without a year, and the lines cover more than one New Year: give the year of the first line' }
    this.#local = local
    this.#moment = moment
    return BigInt(moment) * 1_000_000n + BigInt(time.nanosecond)
  }

  #ofDay(time: WrittenTime): bigint | WrongTime {
    const { date } = this.#options
    if (date === undefined) return { reason: withoutDate }
    const clock = Date.UTC(1970, 0, 1, time.hour, time.minute, time.second)
    const before = this.#local
    let local = clock + (before === undefined ? date : Math.floor(before / day) * day)
    if (before !== undefined && local < before - hour) local += day
    else if (before !== undefined && local > before + day - hour) local -= day
    const moment = typeof time.zone === 'number' ? local - time.zone * minute : this.#momentOf(local)
    this.#local = local
    this.#moment = moment
    return BigInt(moment) * 1_000_000n + BigInt(time.nanosecond)
  }

  #momentOf(local: number): number {
    const [first, second] = this.#zone.momentsOf(local)
    return second !== undefined && this.#moment !== undefined && first! < this.#moment - minute ? second : first!
  }

  #yearOf(time: WrittenTime): number | undefined {
    const { year, latest } = this.#options
    if (this.#local === undefined) {
      if (year !== undefined) return year
      const last = new Date(latest + day).getUTCFullYear()
      // February 29 is in one year of eight at least.
      for (let year = last; year > last - 9; year -= 1) {
        const local = localTime(time, year)
        if (local !== undefined && local <= latest + day) return year
      }
      return undefined
    }
    // Files that were put together may begin with the newest, but not by half a year.
    const least = this.#local - lateness
    const now = new Date(least).getUTCFullYear()
    for (let year = now; year <= now + 9; year += 1) {
      const local = localTime(time, year)
      if (local !== undefined && local >= least) return year
    }
    return undefined
  }
}

/** The local time in milliseconds; undefined if the month does not have this day. */
function localTime({ month, day, hour, minute, second }: WrittenTime, year: number): number | undefined {
  const last = month === 2 ? (isLeap(year) ? 29 : 28) : month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31
  return day > last ? undefined : Date.UTC(year, month - 1, day, hour, minute, second)
}

const isLeap = (year: number) => (year % 4 === 0 && year % 100 !== 0) || year % 400 === 0
