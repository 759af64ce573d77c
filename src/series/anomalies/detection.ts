import { z } from 'zod'
import { milliseconds } from '../../database/range.ts'
import { lengthText } from '../bucketLength.ts'
import { dividesSeason, isLength, seasonFields, slotProblem, type SeasonOptions } from '../seasonOptions.ts'

/** What all methods have in common. */
interface Judging {
  /** Points with a score above it are anomalies. Default: 4. */
  threshold?: number
  /** A point with fewer points to compare with is not judged. Default: 5. */
  minPoints?: number
  /**
   * The spread is at least this share of the expected value, so that a calm series does not raise
   * false alarms. Default: 0.05.
   */
  floor?: number
  /** The spread is at least this, in the series' unit. Default: 0. */
  minSpread?: number
}

/**
 * Robust z-scores: compares a point with the median of the time right before it. The default
 * method.
 *
 * Median and deviation do not move until half of the window is anomalous. After that, a level that
 * lasts is the new normal. The method knows no season and no trend.
 *
 * Literature: Iglewicz and Hoaglin, "How to Detect and Handle Outliers" (ASQC 1993), the modified
 * z-score, whose usual threshold is 3.5; here on a moving window as in Hampel's filter, looking
 * back only.
 */
export interface RobustScoreOptions extends Judging {
  method?: 'robust-z'
  /**
   * How long before a bucket its normal is learned from: the points in `[bucket - window, bucket)`.
   * Default: `'1 hour'`.
   */
  window?: string
}

/**
 * Compares a point with the same slot of earlier seasons: Monday 9 o'clock with earlier Mondays, 9
 * o'clock.
 *
 * Slots are counted from Monday 2000-01-03 00:00 UTC and do not follow daylight saving time. A
 * point's own occurrence of the slot never counts, so a slow climb within an hour cannot hide
 * itself. One earlier occurrence is enough if it holds `minPoints` points. An hour of five-minute
 * buckets holds twelve; `minPoints: 24` therefore asks for at least two earlier weeks.
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
 * A control chart (EWMA): the exponentially weighted mean of the robust z-scores. It finds small
 * departures that last.
 *
 * - `z = lambda * residual + (1 - lambda) * z`, starting from 0 at the first point that can be
 *   judged. The residual is the signed robust z-score, limited to `clip`.
 * - The score is `|z|` in units of its own standard deviation,
 *   `sqrt(lambda / (2 - lambda) * (1 - (1 - lambda) ^ (2 n)))` at the n-th judged point. This
 *   assumes independent residuals: if a series wanders slowly, raise the threshold.
 * - `expected` and `spread` are those of robust-z. The row's own value can be normal: the run is
 *   what is anomalous. Once the window holds the new level, the residuals return to 0, and so does
 *   `z`.
 *
 * Literature: Roberts, "Control Chart Tests Based on Geometric Moving Averages" (Technometrics
 * 1959); Lucas and Saccucci, "Exponentially Weighted Moving Average Control Schemes" (Technometrics
 * 1990), who recommend a lambda of 0.05 to 0.25 with limits of about 3.
 */
export interface ControlChartOptions extends Judging {
  method: 'ewma'
  /** As in `'robust-z'`: what a point's own z-score is learned from. Default: `'1 hour'`. */
  window?: string
  /**
   * The weight of the newest point, 0.000001 to 1. With 1 there is no memory, and scores are those
   * of `'robust-z'` up to `clip`. Default: 0.2.
   */
  lambda?: number
  /**
   * The maximum of a point's z-score, so that one spike does not keep the score high for long.
   * Default: 8.
   */
  clip?: number
}

/**
 * How rarely a series looked as it does now, in many ways at once. It needs no window and no
 * season, and tells where something begins.
 *
 * - Fourteen looks at the end of the series: the level (a mean) and the change (from the mean
 *   before it) of the last 1, 4, 16, 64 and 256 points, and the variation (the mean distance from
 *   point to point) of the last 4 and more.
 * - Each look says how rarely it saw something this extreme among the last `historyPoints`, as the
 *   number of zeros in "once in 10, 100, 1,000 ... points", at most 10. Within 99 of 100 it says 0.
 *   The score is the mean of all looks: several that are somewhat rare count as much as one that is
 *   very rare.
 * - An anomaly is a score above the `threshold` after `quietPoints` points without one. Until they
 *   have passed nothing is an anomaly, however rare it is; the score still says so.
 *
 * Everything is counted in points, not in time. It knows no season, but what every season brings is
 * not rare.
 *
 * Literature: the rarity is an exponential tail above a high threshold, the middle case of
 * Pickands, "Statistical Inference Using Extreme Order Statistics" (Annals of Statistics 1975). A
 * sum of logarithms of probabilities is Fisher's way to combine tests ("Statistical Methods for
 * Research Workers", 1932). The looks are not independent, so Fisher's distribution does not apply,
 * and the threshold is an empirical one.
 */
export interface SurpriseOptions {
  method: 'surprise'
  /** Points with a score above it are unusual. Default: 1. */
  threshold?: number
  /** How many points are remembered; rarity is judged by them. Default: 4,000. */
  historyPoints?: number
  /** With fewer earlier points none is judged. Default: 150. */
  minPoints?: number
  /**
   * After how many points without a score above the threshold the next one is an anomaly; 0 if
   * every one is. Default: 50.
   */
  quietPoints?: number
}

/** How points are judged by earlier points. `method` decides which other options exist. */
export type DetectionOptions = RobustScoreOptions | SeasonalOptions | ControlChartOptions | SurpriseOptions

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

const surprise = z
  .strictObject({
    method: z.literal('surprise'),
    threshold: z.number().min(0).default(1),
    historyPoints: z.int().min(100).max(1_000_000).default(4_000),
    minPoints: z.int().min(20).default(150),
    quietPoints: z.int().min(0).max(1_000_000).default(50),
  })
  .refine(({ historyPoints, minPoints }) => minPoints <= historyPoints, { path: ['minPoints'], error: 'must not be above historyPoints' })

/** The zod shapes of the options of the methods that compare each point with an expected value. */
export const comparing = [robust, seasonal, controlChart] as const

/** Options whose `method` decides which others exist; robust z-scores if it is not given. */
export const byMethod = <const Methods extends Parameters<typeof z.discriminatedUnion>[1]>(methods: Methods, problem: string) =>
  z.preprocess(
    (options) =>
      typeof options === 'object' && options !== null && Reflect.get(options, 'method') === undefined
        ? { ...options, method: 'robust-z' }
        : options,
    z.discriminatedUnion('method', methods, { error: ({ code }) => (code === 'invalid_union' ? problem : undefined) }),
  )

/** The options of a detector, with every default filled in. */
export const detectionOptions = byMethod([...comparing, surprise], "must be 'robust-z', 'seasonal', 'ewma' or 'surprise'")

export type DetectionSettings = z.output<typeof detectionOptions>
export type RobustScoreSettings = z.output<typeof robust>
export type SeasonalSettings = z.output<typeof seasonal>
export type ControlChartSettings = z.output<typeof controlChart>
export type SurpriseSettings = z.output<typeof surprise>

/** Those of the methods that give every point a score. */
export type ComparisonSettings = RobustScoreSettings | SeasonalSettings | ControlChartSettings
