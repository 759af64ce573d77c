import { z } from 'zod'
import { parse, parseOptions } from '../../schema/parse.ts'
import { detectionOptions, type DetectionOptions, type DetectionSettings } from '../anomalies/detection.ts'
import { EwmaJudge, ewmaState } from './ewmaJudge.ts'
import { pointsState, timeState, type Judge } from './judge.ts'
import { measured, timeOf, type Judgement, type Observation } from './observation.ts'
import { RobustJudge, robustState } from './robustJudge.ts'
import { SeasonalJudge, seasonalState } from './seasonalJudge.ts'
import { SurpriseJudge, surpriseState } from './surpriseJudge.ts'

/** @throws InvalidInputError naming the option that is out of its range. */
export const parseStreaming = (options: DetectionOptions): DetectionSettings => parseOptions(detectionOptions, options)

/** Judges the points of one series as they arrive. */
export interface StreamingDetector {
  /**
   * Judges a point by the points before it, then learns it. Null if it cannot be judged: too few
   * points were learned, or nothing was measured (null, NaN, a magnitude above 1e100).
   *
   * @throws InvalidInputError if the bucket is not after the last one observed; the point is then
   * not learned.
   */
  observe(observation: Observation): Judgement | null
  /** Everything it knows, as JSON that {@link restoreDetector} takes. */
  toJSON(): DetectorState
}

/** What a detector knows, to keep between two runs of a program. */
export interface DetectorState extends SeriesState {
  version: 1
  /** Its options, with every default filled in. */
  settings: DetectionSettings
}

/** What a detector knows of its series. */
export interface SeriesState {
  /** The last bucket observed, in milliseconds since 1970; null before the first. */
  last: number | null
  /** What the method learned. Its contents are private to the method. */
  learnt: object
}

/** Every method learns points, and may learn more. */
export const seriesState = z
  .strictObject({ last: timeState.nullable(), learnt: z.looseObject({ points: pointsState }) })
  .refine(({ last, learnt }) => (learnt.points.at(-1)?.[0] ?? -Infinity) <= (last ?? -Infinity), {
    path: ['last'],
    error: 'must not be before the last point that was learnt',
  })

const detectorState = seriesState.safeExtend({ version: z.literal(1), settings: z.custom<DetectionOptions>() })

/**
 * A detector for points that are not in the database (yet). It has the methods, options and numbers
 * of `anomalies`, for one point at a time.
 *
 * Memory: what its window holds (for `'seasonal'` and `'surprise'`: its history). Each point costs
 * a search in a sorted list of that length. It knows only the points it was given: to judge from
 * the first new point on, feed it the last window from the database first.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const detector = streamingDetector({ method: 'ewma', window: '2 hours' })
 * for await (const { bucket, value } of source) {
 *   const judgement = detector.observe({ bucket, value })
 *   if (judgement?.anomalous) await page(`expected ${judgement.expected}, got ${judgement.value}`)
 * }
 */
export function streamingDetector(options: DetectionOptions = {}): StreamingDetector {
  return new Detector(parseStreaming(options))
}

/**
 * Restores the detector that `toJSON` was called on.
 *
 * @throws InvalidInputError naming what differs from the format of `toJSON`.
 * @example
 * await writeFile('detector.json', JSON.stringify(detector))
 * const same = restoreDetector(JSON.parse(await readFile('detector.json', 'utf8')))
 */
export function restoreDetector(state: unknown): StreamingDetector {
  const { settings, last, learnt } = parse(detectorState, state, 'state')
  return new Detector(parseStreaming(settings), { last, learnt })
}

/** {@link streamingDetector} without its checks. */
export class Detector implements StreamingDetector {
  private readonly settings: DetectionSettings
  private readonly judge: Judge
  private last: number | null

  constructor(settings: DetectionSettings, state?: SeriesState) {
    this.settings = settings
    this.judge = judgeOf(settings, state?.learnt)
    this.last = state?.last ?? null
  }

  observe(observation: Observation): Judgement | null {
    this.last = timeOf(observation, this.last)
    const value = measured(observation.value)
    const judged = value === null ? null : this.judge.judge(this.last, value)
    if (value === null || judged === null) return null
    return { bucket: observation.bucket, value, ...judged }
  }

  toJSON(): DetectorState {
    return { version: 1, settings: this.settings, ...this.state() }
  }

  state(): SeriesState {
    return { last: this.last, learnt: this.judge.state() }
  }
}

function judgeOf(settings: DetectionSettings, learnt: object | undefined): Judge {
  const state = <S extends z.ZodType>(schema: S) => (learnt === undefined ? undefined : parse(schema, learnt, 'state.learnt'))
  switch (settings.method) {
    case 'robust-z':
      return new RobustJudge(settings, state(robustState))
    case 'seasonal':
      return new SeasonalJudge(settings, state(seasonalState))
    case 'ewma':
      return new EwmaJudge(settings, state(ewmaState))
    case 'surprise':
      return new SurpriseJudge(settings, state(surpriseState))
  }
}
