import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { exactInterval } from '../../database/sql/exactInterval.ts'
import { lengthText } from '../bucketLength.ts'

/**
 * The points that a moving figure is taken of: so many up to a point, or those of a stretch of time
 * that ends with it. The point itself is one of them.
 */
export type TrailingWindow =
  | {
      /** So many points of the series, nulls among them. */
      points: number
      window?: undefined
    }
  | {
      /**
       * The buckets in `(bucket - window, bucket]`: `'1 hour'` of five-minute buckets is twelve of
       * them.
       */
      window: string
      points?: undefined
    }

const points = z.int().min(1).max(1_000_000).optional()
const window = lengthText.optional()

/** What zod knows of a window; `oneOf` completes it, after what the function adds. */
export const trailingWindow = { points, window }

/** Holds when exactly one of two options is given. */
export const oneOf =
  <First extends string, Second extends string>(first: First, second: Second) =>
  (options: { [Name in First | Second]?: unknown }): boolean =>
    (options[first] === undefined) !== (options[second] === undefined)

/** The window's frame, as a window function names it. */
export function trailing({ points, window }: { points?: number | undefined; window?: string | undefined }): RawBuilder<unknown> {
  const frame =
    window === undefined
      ? sql`rows between ${points! - 1}::int8 preceding and current row`
      : // Times are whole microseconds: so the point as long ago as the window is long is left out.
        sql`range between ${exactInterval(window)} - interval '1 microsecond' preceding and current row`
  return sql`over (partition by point.series collate "C" order by point.bucket ${frame})`
}
