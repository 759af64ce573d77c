import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'

/**
 * How rarely a series looked as it does now, on several scales at once. For values that come in, not for the database: `anomalies` does not have it.
 *
 * Everything is counted in points, not in time: a season is not known to it, but what every season brings is not rare.
 */
export interface SurpriseOptions {
  method: 'surprise'
  /**
   * Scores above it are anomalies. A score is the number of zeros in "once in 10, 100, 1,000 ... points", the mean over all looks at the series.
   * Default: 1.25.
   */
  threshold?: number
  /** So many points are remembered, and what is rare is judged by them. Default: 4,000. */
  history?: number
  /** With fewer points learnt, none is judged. Default: 150. */
  minPoints?: number
  /** An anomaly raises the threshold by its own score; so many points later half of that is gone, and so on. Default: 100. */
  halfLife?: number
}

const surprise = z
  .strictObject({
    method: z.literal('surprise'),
    threshold: z.number().min(0).default(1.25),
    history: z.int().min(100).max(1_000_000).default(4_000),
    minPoints: z.int().min(20).default(150),
    halfLife: z.number().gt(0).max(1e9).default(100),
  })
  .refine(({ history, minPoints }) => minPoints <= history, { path: ['minPoints'], error: 'must not be above the history' })

export type SurpriseSettings = z.output<typeof surprise>

/** @throws InvalidInputError naming the option that is out of its range. */
export const parseSurprise = (options: SurpriseOptions): SurpriseSettings => parseOptions(surprise, options)
