import { z } from 'zod'
import { milliseconds } from '../database/range.ts'

/** A duration as options give it: a PostgreSQL interval of fixed length, such as `'30 minutes'`. */
export const durationText = z.string().refine(isDuration, "must be a positive interval such as '30 minutes' or '1 day 12 hours'")

function isDuration(text: string): boolean {
  try {
    return milliseconds(text) > 0
  } catch {
    return false
  }
}
