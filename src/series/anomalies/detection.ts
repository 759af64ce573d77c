import { z } from 'zod'
import { milliseconds } from '../../database/range.ts'
import { lengthText } from '../bucketLength.ts'
import { dividesSeason, isLength, seasonFields, slotProblem, type SeasonOptions } from '../seasonOptions.ts'

/** What every way of judging a point has in common. */
interface Judging {
  /** Scores above it are anomalies. Default: 4. */
  threshold?: number
  /** With fewer points to learn from, a bucket is not judged. Default: 5. */
  minPoints?: number
  /**
   * The spread is taken to be at least this share of the expected value, so that a calm series does
   * not cry wolf. Default: 0.05.
   */
  floor?: number
  /** The spread is taken to be at least this, in the series' unit. Default: 0. */
  minSpread?: number
}

/**
 * Robust z-scores: a point against the median of the time right before it. The method when none is
 * named.
 *
 * Median and deviation stay put until half of the window is anomalous; after that a level that
 * lasts is the new normal. It knows no season and no trend.
 *
 * Literature: Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (ASQC 1993), the modified
 * z-score, whose customary threshold is 3.5; here on a moving window as in Hampel's filter, looking
 * back only.
 */
export interface RobustScoreOptions extends Judging {
  method?: 'robust-z'
  /**
   * How long before a bucket its normal is learnt from: the points in `[bucket - window, bucket)`.
   * Default: `'1 hour'`.
   */
  window?: string
}

/**
 * A point against the same slot of earlier seasons: Monday's 9 o'clock against earlier Mondays'
 * 9 o'clock.
 *
 * Slots are counted from Monday 2000-01-03 00:00 UTC and do not follow a time zone's summer time. A
 * point's own occurrence of the slot never counts: what climbs slowly within an hour cannot hide
 * itself. One earlier occurrence is enough when it holds `minPoints` points (an hour of five-minute
 * buckets holds twelve), but then only last week is known: `minPoints: 24` asks for two of them.
 */
export interface SeasonalOptions extends Judging, SeasonOptions {
  method: 'seasonal'
  /**
   * How far back the slot's earlier occurrences count: those that begin in
   * `[slot start - history, slot start)`. Default: `'5 weeks'`.
   */
  history?: string
}

/**
 * A control chart (EWMA): robust z-scores averaged with fading memory, for small departures that
 * last.
 *
 * `z = lambda * residual + (1 - lambda) * z`, from 0 at the first point that can be judged; the
 * residual is the signed robust z-score, at most `clip`. The score is `|z|` in units of its own
 * standard deviation, `sqrt(lambda / (2 - lambda) * (1 - (1 - lambda) ^ (2 n)))` at the n-th judged
 * point, which takes residuals for independent: where a series wanders slowly, raise the threshold.
 *
 * `expected` and `spread` are those of robust-z, so the row's value can be within them: it is the
 * run that is odd. Once the window holds the new level, the residuals return to 0, and so does `z`.
 *
 * Literature: Roberts, "Control Chart Tests Based on Geometric Moving Averages" (Technometrics
 * 1959); Lucas and Saccucci, "Exponentially Weighted Moving Average Control Schemes" (Technometrics
 * 1990), who recommend a lambda of 0.05 to 0.25 with limits of about 3.
 */
export interface ControlChartOptions extends Judging {
  method: 'ewma'
  /** As for `'robust-z'`: what a point's own z-score is learnt from. Default: `'1 hour'`. */
  window?: string
  /**
   * The weight of the newest point, in 0.000001..1; with 1 there is no memory, and scores are those
   * of `'robust-z'` up to `clip`. Default: 0.2.
   */
  lambda?: number
  /**
   * A point's z-score counts as at most this, so that one spike does not ring for long. Default: 8.
   */
  clip?: number
}

/**
 * How points are judged by the points before them: `method` decides which other options there are.
 */
export type DetectionOptions = RobustScoreOptions | SeasonalOptions | ControlChartOptions

const judging = {
  threshold: z.number().min(0).default(4),
  minPoints: z.int().min(1).default(5),
  floor: z.number().min(0).max(1e100).default(0.05),
  minSpread: z.number().min(0).max(1e100).default(0),
}

const robust = z.strictObject({ method: z.literal('robust-z'), window: lengthText.default('1 hour'), ...judging })

const seasonal = z
  .strictObject({ method: z.literal('seasonal'), ...seasonFields, history: lengthText.default('5 weeks'), ...judging })
  .refine(dividesSeason, slotProblem)
  .refine(({ season, history }) => !isLength(season) || !isLength(history) || milliseconds(history) >= milliseconds(season), {
    path: ['history'],
    error: 'must be at least as long as the season',
  })

const controlChart = z.strictObject({
  method: z.literal('ewma'),
  window: lengthText.default('1 hour'),
  lambda: z.number().min(1e-6).max(1).default(0.2),
  clip: z.number().gt(0).max(1e100).default(8),
  ...judging,
})

/** The shapes of the methods' options. */
export const methods = [robust, seasonal, controlChart] as const

export const unknownMethod = "must be 'robust-z', 'seasonal' or 'ewma'"

/** Options of which `method` decides which others there are; robust z-scores when none is named. */
export const byMethod = <const Methods extends Parameters<typeof z.discriminatedUnion>[1]>(methods: Methods, problem: string) =>
  z.preprocess(
    (options) =>
      typeof options === 'object' && options !== null && Reflect.get(options, 'method') === undefined
        ? { ...options, method: 'robust-z' }
        : options,
    z.discriminatedUnion('method', methods, { error: ({ code }) => (code === 'invalid_union' ? problem : undefined) }),
  )

/** The options of a detector, with every default filled in. */
export const detectionOptions = byMethod(methods, unknownMethod)

export type DetectionSettings = z.output<typeof detectionOptions>
export type RobustScoreSettings = z.output<typeof robust>
export type SeasonalSettings = z.output<typeof seasonal>
export type ControlChartSettings = z.output<typeof controlChart>
