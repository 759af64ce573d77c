import { z } from 'zod'
import type { SurpriseSettings } from '../anomalies/detection.ts'
import { looks, reach, Sights, type View } from './looks.ts'
import { pointsState, type Judge } from './judge.ts'
import { rarityOf, type Rarity } from './rarity.ts'
import { toSigma } from './reference.ts'
import { SortedValues } from './sortedValues.ts'

export const surpriseState = z.strictObject({
  points: pointsState,
  /**
   * How many points were judged since the last score above the threshold; at most `quietPoints`.
   */
  quiet: z.int().min(0),
})

/** A difference of this share of the values is taken for rounding. */
const resolution = 1e-9

/**
 * How rarely a series looked as it does now: each look is compared with what it saw before, and the
 * score is their mean rarity in decimal digits. See `SurpriseOptions`; `sql/surprises.sql` does the
 * same in the database.
 */
export class SurpriseJudge implements Judge {
  private readonly settings: SurpriseSettings
  private readonly histories = looks.map(() => new SortedValues())
  /** The remembered points, and as many before them as the looks at the oldest need. */
  private readonly sights = new Sights()
  private times: number[] = []
  private quiet: number

  constructor(settings: SurpriseSettings, state?: z.output<typeof surpriseState>) {
    this.settings = settings
    this.quiet = state?.quiet ?? settings.quietPoints
    for (const [time, value] of state?.points ?? []) this.learn(this.look(time, value))
  }

  judge(time: number, value: number) {
    const known = this.sights.size
    const view = this.look(time, value)
    const judged = known < this.settings.minPoints ? null : this.compare(view)
    this.learn(view)
    return judged
  }

  state(): z.input<typeof surpriseState> {
    const from = Math.max(0, this.times.length - this.settings.historyPoints - reach)
    const points = this.times.slice(from).map((time, index): [number, number] => [time, this.sights.value(from + index)])
    return { points, quiet: this.quiet }
  }

  /** What the looks see now that this value arrived. */
  private look(time: number, value: number): View {
    this.times.push(time)
    this.sights.add(value)
    return this.sights.at(this.times.length - 1)
  }

  private compare(view: View) {
    const rounding = resolution * this.sights.magnitude()
    const rarities = view.map((sight, look) => (Number.isNaN(sight) ? nothingSpecial : rarityOf(sight, this.histories[look]!, rounding)))
    const score = rarities.reduce((sum, { digits }) => sum + digits, 0) / looks.length
    const rarest = rarities.reduce((best, { digits }, look) => (digits > rarities[best]!.digits ? look : best), 0)
    const { digits, direction } = rarities[rarest]!
    const expected = this.histories[0]!.median()
    return {
      expected,
      spread: toSigma * this.histories[0]!.medianDeviation(expected),
      score,
      direction,
      anomalous: this.begins(score),
      look: { ...looks[rarest]!, value: view[rarest]!, oneIn: 10 ** digits },
    }
  }

  /** Whether the next point's score is above the threshold after quiet points only. */
  private begins(score: number): boolean {
    const { threshold, quietPoints } = this.settings
    const quiet = this.quiet >= quietPoints
    this.quiet = score > threshold ? 0 : Math.min(this.quiet + 1, quietPoints)
    return score > threshold && quiet
  }

  /** Adds the newest view to what the looks saw before, and removes the one that is too old. */
  private learn(view: View): void {
    for (const [look, sight] of view.entries()) if (!Number.isNaN(sight)) this.histories[look]!.add(sight)
    const tooOld = this.times.length - 1 - this.settings.historyPoints
    if (tooOld < 0) return
    for (const [look, sight] of this.sights.at(tooOld).entries()) if (!Number.isNaN(sight)) this.histories[look]!.remove(sight)
    if (tooOld < 4 * reach) return
    this.times = this.times.slice(tooOld - reach)
    this.sights.forget(tooOld - reach)
  }
}

const nothingSpecial: Rarity = { digits: 0, direction: 'up' }
