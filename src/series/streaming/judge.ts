import { z } from 'zod'
import type { Judgement } from './observation.ts'

/** A judgement without the point it judges. */
export type Judged = Omit<Judgement, 'bucket' | 'value'>

/** One method of judging. */
export interface Judge {
  /**
   * Judges a value by what was learned before, then learns it. `time` is in milliseconds and must
   * be later than in all earlier calls.
   */
  judge(time: number, value: number): Judged | null
  /** Everything learned that is still needed, as JSON. */
  state(): { points: [time: number, value: number][] }
}

/** A time in milliseconds since 1970, within the range of `Date`. */
export const timeState = z.number().min(-8.64e15).max(8.64e15)

/** A value that counts as measured. */
export const valueState = z.number().min(-1e100).max(1e100)

/** Points in the order of time. */
export const pointsState = z
  .array(z.tuple([timeState, valueState]))
  .refine((points) => points.every(([time], index) => index === 0 || points[index - 1]![0] <= time), 'must be in the order of time')
