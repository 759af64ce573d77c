import { milliseconds } from '../database/range.ts'
import { lengthText } from './bucketLength.ts'

/** What repeats itself, and how finely it is looked at. */
export interface SeasonOptions {
  /** The length after which the series is expected to repeat itself. Default: `'1 week'`. */
  season?: string
  /** The season is divided into slots of this length, at least two of them. Default: `'1 hour'`. */
  slot?: string
}

export const defaultSlot = '1 hour'

/** What zod knows of a season; `dividesSeason` completes it. */
export const seasonFields = { season: lengthText.default('1 week'), slot: lengthText.default(defaultSlot) }

/** Whether slots divide their season into two or more. */
export const dividesSeason = ({ season, slot }: Required<SeasonOptions>): boolean =>
  !isLength(season) || !isLength(slot) || divides(milliseconds(slot), milliseconds(season))

/** What is wrong where they do not, as zod's `refine` takes it. */
export const slotProblem = { path: ['slot'], error: 'must divide the season into two or more slots of equal length' }

/**
 * A check of two fields runs even where one of them was refused: that field's error is the one to
 * show.
 */
export const isLength = (text: string): boolean => lengthText.safeParse(text).success

const divides = (slot: number, season: number): boolean => season % slot === 0 && season >= 2 * slot
