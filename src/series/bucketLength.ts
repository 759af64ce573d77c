import { z } from 'zod'
import { durationText, milliseconds, type TimeRange } from '../database/range.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { preview } from '../schema/parse.ts'

/** The length of a bucket or a window, as an option gives it. */
export const lengthText = durationText.pipe(z.string().refine((text) => milliseconds(text) >= 1, 'must be at least a millisecond long'))

/** More than this is a mistake in the length or the range. */
const maxBuckets = 1_000_000

/**
 * Refuses a range that would have more than a million rows for each series.
 *
 * @throws InvalidInputError naming the option that has the length.
 */
export function assertBuckets({ from, to }: TimeRange, length: string, field: string): void {
  const buckets = (to.getTime() - from.getTime()) / milliseconds(length)
  if (buckets <= maxBuckets) return
  throw new InvalidInputError(
    field,
    `must divide the range into at most ${maxBuckets} buckets, got ${preview(length)}, which gives ${Math.ceil(buckets)}`,
  )
}
