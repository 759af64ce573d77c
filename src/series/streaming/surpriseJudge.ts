import { z } from 'zod'
import { looks, reach, seen } from './looks.ts'
import { pointsState, type Judge } from './judge.ts'
import { mostDigits, rarityOf, type Rarity } from './rarity.ts'
import { toSigma } from './reference.ts'
import { RisingBar } from './risingBar.ts'
import { SortedValues } from './sortedValues.ts'

/**
 * How rarely a series looked as it does now, on several scales at once. For streams only;
 * `anomalies` does not have it.
 *
 * Everything is counted in points, not in time. It knows no season, but what every season brings is
 * not rare.
 */
export interface SurpriseOptions {
  method: 'surprise'
  /**
   * Points with a score above it are anomalies. A score is the number of zeros in "once in 10, 100,
   * 1,000 ... points", as the mean over all looks at the series. Default: 1.25.
   */
  threshold?: number
  /** How many points are remembered; rarity is judged by them. Default: 4,000. */
  historyPoints?: number
  /** With fewer learned points none is judged. Default: 150. */
  minPoints?: number
  /**
   * An anomaly raises the threshold by its own score. After this many points half of that raise is
   * gone. Default: 100.
   */
  halfLifePoints?: number
}

export const surpriseOptions = z
  .strictObject({
    method: z.literal('surprise'),
    threshold: z.number().min(0).default(1.25),
    historyPoints: z.int().min(100).max(1_000_000).default(4_000),
    minPoints: z.int().min(20).default(150),
    halfLifePoints: z.number().gt(0).max(1e9).default(100),
  })
  .refine(({ historyPoints, minPoints }) => minPoints <= historyPoints, { path: ['minPoints'], error: 'must not be above historyPoints' })

export type SurpriseSettings = z.output<typeof surpriseOptions>

export const surpriseState = z.strictObject({
  points: pointsState,
  /** How far the bar is above the threshold. */
  raised: z.number().min(0).max(mostDigits),
})

/** A difference of this share of the values is taken for rounding. */
const resolution = 1e-9

/**
 * How rarely a series looked as it does now: eight looks (level and change, each of 1, 4, 16 and 64
 * points), each compared with what the same look saw before. The score is the mean of their
 * rarities in decimal digits: many looks that are somewhat rare count as much as one that is very
 * rare.
 *
 * Literature: a sum of logarithms of probabilities is Fisher's way to combine tests ("Statistical
 * Methods for Research Workers", 1932). The looks are not independent, so Fisher's distribution
 * does not apply, and the threshold is an empirical one.
 */
export class SurpriseJudge implements Judge {
  private readonly settings: SurpriseSettings
  private readonly bar: RisingBar
  private readonly histories = looks.map(() => new SortedValues())
  /** The remembered times, and as many before them as the looks at the oldest need. */
  private times: number[] = []
  private values: number[] = []

  constructor(settings: SurpriseSettings, state?: z.output<typeof surpriseState>) {
    this.settings = settings
    this.bar = new RisingBar(settings.threshold, settings.halfLifePoints, state?.raised)
    for (const [time, value] of state?.points ?? []) this.learn(this.look(time, value))
  }

  judge(time: number, value: number) {
    const known = this.values.length
    const view = this.look(time, value)
    const judged = known < this.settings.minPoints ? null : this.compare(value, view)
    this.learn(view)
    return judged
  }

  state(): z.input<typeof surpriseState> {
    const from = Math.max(0, this.values.length - this.settings.historyPoints - reach)
    const points = this.values.slice(from).map((value, index): [number, number] => [this.times[from + index]!, value])
    return { points, raised: this.bar.raised }
  }

  /** What the looks see now that this value arrived. */
  private look(time: number, value: number): View {
    this.times.push(time)
    this.values.push(value)
    return seen(this.values, this.values.length - 1)
  }

  private compare(value: number, view: View) {
    const rounding = resolution * this.values.slice(-reach).reduce((most, each) => Math.max(most, Math.abs(each)), 0)
    const rarities = view.map((sight, look) => (sight === null ? nothingSpecial : rarityOf(sight, this.histories[look]!, rounding)))
    const score = rarities.reduce((sum, { digits }) => sum + digits, 0) / looks.length
    const rarest = rarities.reduce((best, { digits }, look) => (digits > rarities[best]!.digits ? look : best), 0)
    const { digits, direction } = rarities[rarest]!
    const expected = this.histories[0]!.median()
    return {
      expected,
      spread: toSigma * this.histories[0]!.medianDeviation(expected),
      score,
      direction,
      anomalous: this.bar.passes(score),
      look: { ...looks[rarest]!, value: view[rarest] ?? value, oneIn: 10 ** digits },
    }
  }

  /** Adds the newest view to what the looks saw before, and removes the one that is too old. */
  private learn(view: View): void {
    for (const [look, sight] of view.entries()) if (sight !== null) this.histories[look]!.add(sight)
    const tooOld = this.values.length - 1 - this.settings.historyPoints
    if (tooOld < 0) return
    for (const [look, sight] of seen(this.values, tooOld).entries()) if (sight !== null) this.histories[look]!.remove(sight)
    if (tooOld < 4 * reach) return
    this.times = this.times.slice(tooOld - reach)
    this.values = this.values.slice(tooOld - reach)
  }
}

type View = (number | null)[]

const nothingSpecial: Rarity = { digits: 0, direction: 'up' }
