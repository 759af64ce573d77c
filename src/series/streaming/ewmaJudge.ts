import { z } from 'zod'
import type { ControlChartSettings } from '../anomalies/detection.ts'
import { pointsState, valueState, type Judge } from './judge.ts'
import { judgedBy } from './reference.ts'
import { Residuals } from './robustJudge.ts'

export const ewmaState = z.strictObject({
  points: pointsState,
  /** The average so far. */
  average: valueState,
  /** The number of points in the average. */
  judged: z.int().min(0),
})

/**
 * Roberts' control chart: the exponentially weighted mean of robust z-scores, in units of the
 * standard deviation of such a mean.
 *
 * Literature: Roberts, "Control Chart Tests Based on Geometric Moving Averages" (Technometrics
 * 1959); Lucas and Saccucci, "Exponentially Weighted Moving Average Control Schemes" (Technometrics
 * 1990).
 */
export class EwmaJudge implements Judge {
  private readonly settings: ControlChartSettings
  private readonly residuals: Residuals
  private average: number
  private judged: number

  constructor(settings: ControlChartSettings, state?: z.output<typeof ewmaState>) {
    this.settings = settings
    this.residuals = new Residuals(settings, state?.points)
    this.average = state?.average ?? 0
    this.judged = state?.judged ?? 0
  }

  judge(time: number, value: number) {
    const residual = this.residuals.judge(time, value)
    if (residual === null) return null
    const { lambda, clip, threshold } = this.settings
    this.average = lambda * Math.min(Math.max(residual.signed, -clip), clip) + (1 - lambda) * this.average
    this.judged += 1
    const sigma = Math.sqrt((lambda / (2 - lambda)) * (1 - (1 - lambda) ** (2 * this.judged)))
    return judgedBy(this.average / sigma, residual, threshold)
  }

  state(): z.input<typeof ewmaState> {
    return { points: this.residuals.points(), average: this.average, judged: this.judged }
  }
}
