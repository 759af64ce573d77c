import { bucketStart, firstBucketFrom } from './buckets.ts'
import type { TimeRange } from './range.ts'

/** Units of a calendar. Weeks begin on Monday; all begin at midnight UTC. */
export type Period = 'day' | 'week' | 'month'

const lengths = { day: '1 day', week: '7 days' } as const

/** The start of the first period that does not begin before a time. */
function firstFrom(period: Period, moment: Date): Date {
  if (period !== 'month') return firstBucketFrom(lengths[period], moment)
  const start = new Date(Date.UTC(moment.getUTCFullYear(), moment.getUTCMonth()))
  return start.getTime() === moment.getTime() ? moment : after('month', start)
}

/** The start of the next period. */
const after = (period: Period, start: Date): Date =>
  period === 'month'
    ? new Date(Date.UTC(start.getUTCFullYear(), start.getUTCMonth() + 1))
    : firstBucketFrom(lengths[period], new Date(bucketStart(lengths[period], start).getTime() + 1))

/**
 * The periods that begin in a range, each from its start to that of the next. At most `most` + 1 of
 * them, which shows that there are more than `most`.
 */
export function periodsBeginningIn(period: Period, { from, to }: TimeRange, most: number): TimeRange[] {
  const periods: TimeRange[] = []
  for (let start = firstFrom(period, from); start < to && periods.length <= most;) {
    const end = after(period, start)
    periods.push({ from: start, to: end })
    start = end
  }
  return periods
}
