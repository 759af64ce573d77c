import { SortedValues } from './sortedValues.ts'

/** The values of the last stretch of time, sorted by time and by size. */
export class TimeWindow {
  readonly values = new SortedValues()
  private readonly length: number
  private queue: [time: number, value: number][] = []
  /** The index of the oldest point in the window; those before it are cut off in batches. */
  private oldest = 0

  /** `length` is in milliseconds. */
  constructor(length: number) {
    this.length = length
  }

  /** Adds a point that is later than those before it. */
  add(time: number, value: number): void {
    this.queue.push([time, value])
    this.values.add(value)
  }

  /** Forgets the points that are not in `[now - length, now)`. */
  forget(now: number): void {
    for (; this.oldest < this.queue.length && this.queue[this.oldest]![0] < now - this.length; this.oldest++) {
      this.values.remove(this.queue[this.oldest]![1])
    }
    if (this.oldest > 32 && this.oldest * 2 > this.queue.length) {
      this.queue = this.queue.slice(this.oldest)
      this.oldest = 0
    }
  }

  /** The points in the window, oldest first. */
  points(): [time: number, value: number][] {
    return this.queue.slice(this.oldest)
  }
}
