import { z } from 'zod'
import { milliseconds } from '../../database/range.ts'
import type { RobustScoreSettings } from '../anomalies/detection.ts'
import { pointsState, type Judge } from './judge.ts'
import { TimeWindow } from './timeWindow.ts'
import { judgedBy, referenceOf, signedScore, type Reference, type ReferenceSettings } from './reference.ts'

export const robustState = z.strictObject({ points: pointsState })

/** Robust z-scores: compares a value with the median of the window before it. */
export class RobustJudge implements Judge {
  private readonly residuals: Residuals
  private readonly threshold: number

  constructor(settings: RobustScoreSettings, state?: z.output<typeof robustState>) {
    this.residuals = new Residuals(settings, state?.points)
    this.threshold = settings.threshold
  }

  judge(time: number, value: number) {
    const residual = this.residuals.judge(time, value)
    return residual && judgedBy(residual.signed, residual, this.threshold)
  }

  state(): z.input<typeof robustState> {
    return { points: this.residuals.points() }
  }
}

/**
 * Signed robust z-scores against the window before each point. The z-score and the EWMA chart are
 * both made of them.
 */
export class Residuals {
  private readonly settings: ReferenceSettings
  private readonly window: TimeWindow

  constructor(settings: ReferenceSettings & { window: string }, points: readonly (readonly [number, number])[] = []) {
    this.settings = settings
    this.window = new TimeWindow(milliseconds(settings.window))
    for (const [time, value] of points) this.window.add(time, value)
  }

  judge(time: number, value: number): (Reference & { signed: number }) | null {
    this.window.forget(time)
    const reference = referenceOf(this.window.values, this.settings)
    this.window.add(time, value)
    return reference && { ...reference, signed: signedScore(value, reference) }
  }

  points(): [number, number][] {
    return this.window.points()
  }
}
