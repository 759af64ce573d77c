import { z } from 'zod'
import { InvalidInputError } from '../../schema/errors.ts'
import { parse, preview } from '../../schema/parse.ts'
import type { DetectionOptions, DetectionSettings } from '../anomalies/detection.ts'
import type { Judgement, Observation } from './observation.ts'
import { Detector, parseStreaming, seriesState, type SeriesState } from './streamingDetector.ts'

/** A point with the name of its series. */
export interface SeriesObservation extends Observation {
  series: string
}

/** What the earlier points of the series say about a point. */
export interface SeriesJudgement extends Judgement {
  series: string
}

/** Judges the points of many series as they arrive, each series on its own. */
export interface StreamingDetectors {
  /**
   * As for one series. A new name begins a new series. Points of different series may arrive in any
   * order.
   *
   * @throws InvalidInputError if the bucket is not after the last one observed of its series.
   */
  observe(observation: SeriesObservation): SeriesJudgement | null
  /** Forgets a series, for example one that ended; false if it was unknown. */
  forget(series: string): boolean
  /** The names of the known series, in the order in which they began. */
  series(): string[]
  /** Everything it knows, as JSON that {@link restoreDetectors} takes. */
  toJSON(): DetectorsState
}

/** What the detectors know, to keep between two runs of a program. */
export interface DetectorsState {
  version: 1
  /** Their options, with every default filled in. */
  settings: DetectionSettings
  series: (SeriesState & { name: string })[]
}

const detectorsState = z.strictObject({
  version: z.literal(1),
  settings: z.custom<DetectionOptions>(),
  series: z
    .array(seriesState.safeExtend({ name: z.string() }))
    .refine((series) => new Set(series.map(({ name }) => name)).size === series.length, 'must have each name once'),
})

/**
 * One {@link streamingDetector} for each series, by name, all with the same options. Memory grows
 * with the number of series; the memory of each is bounded. Call `forget` for series that ended.
 *
 * @throws InvalidInputError naming the option that is out of its range.
 * @example
 * const detectors = streamingDetectors({ method: 'seasonal', history: '3 weeks' })
 * for await (const { series, bucket, value } of source) {
 *   if (detectors.observe({ series, bucket, value })?.anomalous) await look(series, bucket)
 * }
 */
export function streamingDetectors(options: DetectionOptions = {}): StreamingDetectors {
  return new Detectors(parseStreaming(options))
}

/**
 * Restores the detectors that `toJSON` was called on.
 *
 * @throws InvalidInputError naming what differs from the format of `toJSON`.
 */
export function restoreDetectors(state: unknown): StreamingDetectors {
  const { settings, series } = parse(detectorsState, state, 'state')
  return new Detectors(parseStreaming(settings), series)
}

class Detectors implements StreamingDetectors {
  private readonly settings: DetectionSettings
  private readonly known: Map<string, Detector>

  constructor(settings: DetectionSettings, series: DetectorsState['series'] = []) {
    this.settings = settings
    this.known = new Map(series.map(({ name, ...state }) => [name, new Detector(settings, state)]))
  }

  observe({ series, ...observation }: SeriesObservation): SeriesJudgement | null {
    if (typeof series !== 'string') throw new InvalidInputError('observation.series', `must be a string, got ${preview(series)}`)
    const detector = this.known.get(series) ?? new Detector(this.settings)
    const judgement = detector.observe(observation)
    // Only after the checks: a refused point must not begin a series.
    this.known.set(series, detector)
    return judgement && { series, ...judgement }
  }

  forget(series: string): boolean {
    return this.known.delete(series)
  }

  series(): string[] {
    return [...this.known.keys()]
  }

  toJSON(): DetectorsState {
    const series = [...this.known].map(([name, detector]) => ({ name, ...detector.state() }))
    return { version: 1, settings: this.settings, series }
  }
}
