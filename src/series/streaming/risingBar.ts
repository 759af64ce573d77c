/**
 * A threshold that each anomaly raises by its own score and that falls again with time. An anomaly
 * is therefore reported when it begins, and again only if it gets worse by a threshold or comes
 * back after a while.
 */
export class RisingBar {
  private readonly threshold: number
  private readonly remains: number
  /** How far the bar is above the threshold. */
  raised: number

  /** `halfLife` is in points: after it, half of the raise is gone. */
  constructor(threshold: number, halfLife: number, raised = 0) {
    this.threshold = threshold
    this.remains = 2 ** (-1 / halfLife)
    this.raised = raised
  }

  /** Whether the next point's score is above the bar; if so, the bar rises. */
  passes(score: number): boolean {
    this.raised *= this.remains
    if (score <= this.threshold + this.raised) return false
    this.raised = score
    return true
  }
}
