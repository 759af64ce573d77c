import { milliseconds } from '../../database/range.ts'
import type { Stretch } from '../statement.ts'

// Chunks are counted from 1970, as TimescaleDB cuts them: not from where buckets begin.

/** The number of the chunk that contains a time. */
export const chunkNumber = (chunk: string, moment: Date): number => Math.floor(moment.getTime() / milliseconds(chunk))

/** The time range of the chunk with this number. */
export function chunkStretch(chunk: string, number: number): Stretch {
  const length = milliseconds(chunk)
  return { from: new Date(number * length), to: new Date((number + 1) * length) }
}

/**
 * The chunk of a time, the one before it and the two after it: a native table always has partitions
 * for these.
 */
export const chunksAround = (chunk: string, moment: Date): Stretch[] =>
  [-1, 0, 1, 2].map((offset) => chunkStretch(chunk, chunkNumber(chunk, moment) + offset))
