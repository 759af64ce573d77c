/**
 * A threshold that an anomaly raises by its own score, and that comes down again with time: what
 * begins is told once, and told again only when it gets worse by a threshold, or when it happens
 * again after a while.
 */
export class RisingBar {
  private readonly threshold: number
  private readonly remains: number
  /** How far the bar is above the threshold. */
  raised: number

  /** `halfLife`, after which half of what was added is gone, is in points. */
  constructor(threshold: number, halfLife: number, raised = 0) {
    this.threshold = threshold
    this.remains = 2 ** (-1 / halfLife)
    this.raised = raised
  }

  /** Whether the next point's score is above the bar, which it raises if so. */
  passes(score: number): boolean {
    this.raised *= this.remains
    if (score <= this.threshold + this.raised) return false
    this.raised = score
    return true
  }
}
