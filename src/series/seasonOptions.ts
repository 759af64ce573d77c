import { milliseconds } from '../database/range.ts'
import { lengthText } from './bucketLength.ts'

/** The season of a series and its slots. */
export interface SeasonOptions {
  /** The length of the season. Default: `'1 week'`. */
  season?: string
  /** The length of a slot. The season has at least two, all of this length. Default: `'1 hour'`. */
  slot?: string
}

export const defaultSlot = '1 hour'

/** The zod fields of a season; combine them with `dividesSeason`. */
export const seasonFields = { season: lengthText.default('1 week'), slot: lengthText.default(defaultSlot) }

/** Whether the slots divide the season into two or more. */
export const dividesSeason = ({ season, slot }: Required<SeasonOptions>): boolean =>
  !isLength(season) || !isLength(slot) || divides(milliseconds(slot), milliseconds(season))

/** The error if they do not, as zod's `refine` takes it. */
export const slotProblem = { path: ['slot'], error: 'must divide the season into two or more slots of equal length' }

/**
 * A check of two fields also runs when one of them is invalid; then the error of that field is the
 * one to show.
 */
export const isLength = (text: string): boolean => lengthText.safeParse(text).success

const divides = (slot: number, season: number): boolean => season % slot === 0 && season >= 2 * slot
