import { z } from 'zod'
import { milliseconds } from '../../database/range.ts'
import { parseOptions } from '../../schema/parse.ts'
import { lengthText } from '../bucketLength.ts'

/** What every way of judging a point has in common. */
interface Judging {
  /** Scores above it are anomalies. Default: 4. */
  threshold?: number
  /** With fewer points to learn from, a bucket is not judged. Default: 5. */
  minPoints?: number
  /** The spread is taken to be at least this share of the expected value, so that a calm series does not cry wolf. Default: 0.05. */
  floor?: number
  /** The spread is taken to be at least this, in the series' unit. Default: 0. */
  minSpread?: number
}

/** Robust z-scores: a point against the median of the time right before it. The method when none is named. */
export interface RobustScoreOptions extends Judging {
  method?: 'robust-z'
  /** How long before a bucket its normal is learnt from: the points in `[bucket - window, bucket)`. Default: `'1 hour'`. */
  window?: string
}

/** A point against the same slot of earlier seasons: Monday's 9 o'clock against earlier Mondays' 9 o'clock. */
export interface SeasonalOptions extends Judging, SeasonOptions {
  method: 'seasonal'
  /** How far back the slot's earlier occurrences count: those that begin in `[slot start - history, slot start)`. Default: `'5 weeks'`. */
  history?: string
}

/** EWMA control chart: robust z-scores averaged with fading memory, for small departures that last. */
export interface EwmaOptions extends Judging {
  method: 'ewma'
  /** As for `'robust-z'`: what a point's own z-score is learnt from. Default: `'1 hour'`. */
  window?: string
  /** The weight of the newest point, in 0.000001..1; with 1 there is no memory, and scores are those of `'robust-z'` up to `clip`. Default: 0.2. */
  lambda?: number
  /** A point's z-score counts as at most this, so that one spike does not ring for long. Default: 8. */
  clip?: number
}

/** What repeats itself, and how finely it is looked at. */
export interface SeasonOptions {
  /** The length after which the series is expected to repeat itself. Default: `'1 week'`. */
  season?: string
  /** The season is divided into slots of this length, at least two of them. Default: `'1 hour'`. */
  slot?: string
}

/** How points are judged by the points before them: `method` decides which other options there are. */
export type DetectionOptions = RobustScoreOptions | SeasonalOptions | EwmaOptions

const judging = {
  threshold: z.number().min(0).default(4),
  minPoints: z.int().min(1).default(5),
  floor: z.number().min(0).max(1e100).default(0.05),
  minSpread: z.number().min(0).max(1e100).default(0),
}

const robust = z.strictObject({ method: z.literal('robust-z'), window: lengthText.default('1 hour'), ...judging })

const seasonFields = { season: lengthText.default('1 week'), slot: lengthText.default('1 hour') }

/** Refuses slots that do not divide their season into two or more. */
const dividesSeason: Refinement<SeasonOptions> = [
  ({ season, slot }) => !isDuration(season) || !isDuration(slot) || divides(milliseconds(slot), milliseconds(season)),
  { path: ['slot'], error: 'must divide the season into two or more slots of equal length' },
]

/** Refuses a history in which no slot occurs a second time. */
const coversSeason: Refinement<SeasonalOptions> = [
  ({ season, history }) => !isDuration(season) || !isDuration(history) || milliseconds(history) >= milliseconds(season),
  { path: ['history'], error: 'must be at least as long as the season' },
]

/** What zod's `refine` takes. It also runs where a field was refused already: that field's error is the one to show. */
type Refinement<Options> = [check: (options: Required<Options>) => boolean, params: { path: string[]; error: string }]

const isDuration = (text: string): boolean => lengthText.safeParse(text).success

const divides = (slot: number, season: number): boolean => season % slot === 0 && season >= 2 * slot

const seasonal = z
  .strictObject({ method: z.literal('seasonal'), ...seasonFields, history: lengthText.default('5 weeks'), ...judging })
  .refine(...dividesSeason)
  .refine(...coversSeason)

const ewma = z.strictObject({
  method: z.literal('ewma'),
  window: lengthText.default('1 hour'),
  lambda: z.number().min(1e-6).max(1).default(0.2),
  clip: z.number().gt(0).max(1e100).default(8),
  ...judging,
})

const detection = z.discriminatedUnion('method', [robust, seasonal, ewma], {
  error: ({ code }) => (code === 'invalid_union' ? "must be 'robust-z', 'seasonal' or 'ewma'" : undefined),
})

/** The options with every default filled in. */
export type DetectionSettings = z.output<typeof detection>
export type RobustScoreSettings = z.output<typeof robust>
export type SeasonalSettings = z.output<typeof seasonal>
export type EwmaSettings = z.output<typeof ewma>

/**
 * The options of a detector, checked, with every default filled in.
 *
 * @throws InvalidInputError naming the option that is out of its range, or that the method does not have.
 */
export function parseDetection(options: DetectionOptions = {}): DetectionSettings {
  const given: unknown = options
  const named = typeof given === 'object' && given !== null ? { ...given, method: options.method ?? 'robust-z' } : given
  return parseOptions(detection, named)
}

const season = z.strictObject(seasonFields).refine(...dividesSeason)

/**
 * What repeats itself, checked, with the defaults filled in.
 *
 * @throws InvalidInputError naming the option that is wrong, as when slots do not divide the season.
 */
export const parseSeason = (options: SeasonOptions = {}) => parseOptions(season, options)
