import { z } from 'zod'
import { InvalidInputError } from '../schema/errors.ts'
import { boundedText } from '../schema/text.ts'

/**
 * The columns of a frame that become attributes: at most as many as one call of a function that
 * builds a map takes, with names as long as PostgreSQL's.
 */
export const frameColumns = z.array(boundedText(63)).max(45)

/** Explains the error of a frame without a named column; any other error is returned as it is. */
export function explainFrameColumn(error: unknown, field: string): unknown {
  const isUndefinedColumn = error instanceof Error && 'code' in error && error.code === '42703'
  return isUndefinedColumn
    ? new InvalidInputError(field, `must name columns that the frame has: ${error.message}`, { cause: error })
    : error
}
