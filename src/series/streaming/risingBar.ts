/**
 * A threshold that every anomaly raises, and that falls back with time: what begins is told once, and told again only when it gets worse, or when it is
 * still there after a while.
 */
export class RisingBar {
  private readonly threshold: number
  private readonly remains: number
  /** By how many thresholds the bar is above the threshold. */
  raised: number

  /** `halfLife` is in points. */
  constructor(threshold: number, halfLife: number, raised = 0) {
    this.threshold = threshold
    this.remains = 2 ** (-1 / halfLife)
    this.raised = raised
  }

  /** Whether the next point's score is above the bar; if so, the bar rises by one threshold. */
  passes(score: number): boolean {
    this.raised *= this.remains
    const passes = score > this.threshold * (1 + this.raised)
    if (passes) this.raised += 1
    return passes
  }
}
