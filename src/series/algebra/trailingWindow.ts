import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { lengthText } from '../bucketLength.ts'

/**
 * The points that a moving figure is computed from: the last `points` points, or those in the last
 * `window` of time. The point itself is one of them. Gaps are not filled: a window by points
 * reaches across a gap, a window by time does not.
 */
export type TrailingWindow =
  | {
      /** The number of points of the series, nulls included. */
      points: number
      window?: undefined
    }
  | {
      /**
       * The buckets in `(bucket - window, bucket]`. With five-minute buckets `'1 hour'` holds
       * twelve.
       */
      window: string
      points?: undefined
    }

const points = z.int().min(1).max(1_000_000).optional()
const window = lengthText.optional()

/** The zod fields of a window; combine them with `oneOf`. */
export const trailingWindow = { points, window }

/** Holds when exactly one of two options is given. */
export const oneOf =
  <First extends string, Second extends string>(first: First, second: Second) =>
  (options: { [Name in First | Second]?: unknown }): boolean =>
    (options[first] === undefined) !== (options[second] === undefined)

/** The window, as a window function writes it. */
export function trailing({ points, window }: { points?: number | undefined; window?: string | undefined }): RawBuilder<unknown> {
  const frame =
    window === undefined
      ? sql`rows between ${points! - 1}::int8 preceding and current row`
      : sql`range between ${trailingLength(window)} preceding and current row`
  return sql`over (partition by point.series collate "C" order by point.bucket ${frame})`
}

/** From the earliest bucket in a window of time to the last: times are whole microseconds, and the point exactly one window ago is not in it. */
export const trailingLength = (window: string): RawBuilder<unknown> => sql`${exactInterval(window)} - interval '1 microsecond'`
