import { z } from 'zod'
import { parse, parseOptions } from '../../schema/parse.ts'
import { byMethod, methods, type DetectionOptions } from '../anomalies/detection.ts'
import { EwmaJudge, ewmaState } from './ewmaJudge.ts'
import { pointsState, timeState, type Judge } from './judge.ts'
import { measured, timeOf, type Judgement, type Observation } from './observation.ts'
import { RobustJudge, robustState } from './robustJudge.ts'
import { SeasonalJudge, seasonalState } from './seasonalJudge.ts'
import { SurpriseJudge, surpriseOptions, surpriseState, type SurpriseOptions } from './surpriseJudge.ts'

/**
 * How points are judged as they come in: as `anomalies` judges them, or by `'surprise'`, which is
 * made for streams alone.
 */
export type StreamingOptions = DetectionOptions | SurpriseOptions

const streamingOptions = byMethod([...methods, surpriseOptions], "must be 'robust-z', 'seasonal', 'ewma' or 'surprise'")

/** The options with every default filled in. */
export type StreamingSettings = z.output<typeof streamingOptions>

/** @throws InvalidInputError naming the option that is out of its range. */
export const parseStreaming = (options: StreamingOptions): StreamingSettings => parseOptions(streamingOptions, options)

/** Judges the points of one series as they come in. */
export interface StreamingDetector {
  /**
   * Judges a point by those observed before it, then learns it. Null when it cannot be judged: too
   * little was learnt yet, or nothing was measured (null, NaN, a magnitude above 1e100).
   *
   * @throws InvalidInputError when the bucket is not after the last one observed; nothing is learnt
   * from it.
   */
  observe(observation: Observation): Judgement | null
  /** Everything it knows, as JSON that {@link restoreDetector} takes. */
  toJSON(): DetectorState
}

/** What a detector knows, from one run of a program to the next. */
export interface DetectorState extends SeriesState {
  version: 1
  /** Its options, with every default filled in. */
  settings: StreamingSettings
}

/** What a detector knows of its series. */
export interface SeriesState {
  /** The last bucket observed, in milliseconds since 1970; null before the first. */
  last: number | null
  /** What the method learnt: its own affair. */
  learnt: object
}

/** Every method learns points, and may learn more. */
export const seriesState = z
  .strictObject({ last: timeState.nullable(), learnt: z.looseObject({ points: pointsState }) })
  .refine(({ last, learnt }) => (learnt.points.at(-1)?.[0] ?? -Infinity) <= (last ?? -Infinity), {
    path: ['last'],
    error: 'must not be before the last point that was learnt',
  })

const detectorState = seriesState.safeExtend({ version: z.literal(1), settings: z.custom<StreamingOptions>() })

/**
 * A detector for points that are not in the database (yet): the methods, the options and the
 * numbers of `anomalies`, a point at a time; and one more, `'surprise'`, which needs to know
 * neither window nor season and tells what begins.
 *
 * It keeps what its window (for `'seasonal'` and `'surprise'`: its history) holds and no more; a
 * point costs a search in a sorted list of that length. It knows nothing but the points given to
 * it: to judge from the first one on, let it observe the last window out of the database before.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const detector = streamingDetector({ method: 'ewma', window: '2 hours' })
 * for await (const { bucket, value } of source) {
 *   const judgement = detector.observe({ bucket, value })
 *   if (judgement?.anomalous) await page(`expected ${judgement.expected}, got ${judgement.value}`)
 * }
 */
export function streamingDetector(options: StreamingOptions = {}): StreamingDetector {
  return new Detector(parseStreaming(options))
}

/**
 * The detector that `toJSON` was called on, as it was then.
 *
 * @throws InvalidInputError naming what is not as `toJSON` writes it.
 * @example
 * await writeFile('detector.json', JSON.stringify(detector))
 * const same = restoreDetector(JSON.parse(await readFile('detector.json', 'utf8')))
 */
export function restoreDetector(state: unknown): StreamingDetector {
  const { settings, last, learnt } = parse(detectorState, state, 'state')
  return new Detector(parseStreaming(settings), { last, learnt })
}

/** {@link streamingDetector} behind its checks. */
export class Detector implements StreamingDetector {
  private readonly settings: StreamingSettings
  private readonly judge: Judge
  private last: number | null

  constructor(settings: StreamingSettings, state?: SeriesState) {
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

function judgeOf(settings: StreamingSettings, learnt: object | undefined): Judge {
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
