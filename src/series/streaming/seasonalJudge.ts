import { z } from 'zod'
import { sinceBucketStart } from '../../database/buckets.ts'
import { milliseconds } from '../../database/range.ts'
import type { SeasonalSettings } from '../anomalies/detection.ts'
import { pointsState, type Judge } from './judge.ts'
import { judgedBy, referenceOf, signedScore } from './reference.ts'
import { TimeWindow } from './timeWindow.ts'

export const seasonalState = z.strictObject({ points: pointsState })

/** Compares a value with those of the same slot in earlier seasons. */
export class SeasonalJudge implements Judge {
  private readonly settings: SeasonalSettings
  private readonly season: number
  private readonly slot: number
  private readonly history: number
  /**
   * What was learned for each slot, by its index in the season. The time of a value is here the
   * beginning of its slot's occurrence.
   */
  private readonly slots = new Map<number, TimeWindow>()
  /**
   * The occurrence that is still running and its values: they are not used as a reference until it
   * is over.
   */
  private current = Number.NEGATIVE_INFINITY
  private pending: number[] = []

  constructor(settings: SeasonalSettings, state?: z.output<typeof seasonalState>) {
    this.settings = settings
    this.season = milliseconds(settings.season)
    this.slot = milliseconds(settings.slot)
    this.history = milliseconds(settings.history)
    for (const [time, value] of state?.points ?? []) {
      this.begin(this.startOf(time))
      this.pending.push(value)
    }
  }

  judge(time: number, value: number) {
    const start = this.startOf(time)
    this.begin(start)
    const slot = this.slots.get(this.placeOf(start))
    slot?.forget(start)
    const reference = slot === undefined ? null : referenceOf(slot.values, this.settings)
    this.pending.push(value)
    return reference && judgedBy(signedScore(value, reference), reference, this.settings.threshold)
  }

  state(): z.input<typeof seasonalState> {
    const points = [...this.slots.values()].flatMap((slot) => slot.points()).toSorted(([a], [b]) => a - b)
    return { points: [...points, ...this.pending.map((value): [number, number] => [this.current, value])] }
  }

  /**
   * Starts an occurrence unless it is running already; the previous one is then over and learned.
   */
  private begin(start: number): void {
    if (start === this.current) return
    if (this.pending.length > 0) {
      const place = this.placeOf(this.current)
      const slot = this.slots.get(place) ?? new TimeWindow(this.history)
      for (const value of this.pending) slot.add(this.current, value)
      this.slots.set(place, slot)
    }
    this.pending = []
    this.current = start
  }

  /** The beginning of the occurrence that contains this time. */
  private startOf(time: number): number {
    return time - sinceBucketStart(this.slot, time)
  }

  private placeOf(start: number): number {
    return sinceBucketStart(this.season, start) / this.slot
  }
}
