import { z } from 'zod'
import type { Judgement } from './observation.ts'

/** A judgement without what was judged. */
export type Judged = Omit<Judgement, 'bucket' | 'value'>

/** One way of judging. */
export interface Judge {
  /**
   * Judges a value by what was learnt before, then learns it. `time` is in milliseconds, and later
   * than that of any call before.
   */
  judge(time: number, value: number): Judged | null
  /** Everything learnt that is still of use, as JSON. */
  state(): { points: [time: number, value: number][] }
}

/** A time: milliseconds since 1970, as far as dates reach. */
export const timeState = z.number().min(-8.64e15).max(8.64e15)

/** A value that counts as measured. */
export const valueState = z.number().min(-1e100).max(1e100)

/** Points in the order of time. */
export const pointsState = z
  .array(z.tuple([timeState, valueState]))
  .refine((points) => points.every(([time], index) => index === 0 || points[index - 1]![0] <= time), 'must be in the order of time')
