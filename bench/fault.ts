import type { TimeRange } from '../src/database/range.ts'

/** A fault that somebody made in a running system, and noted down. */
export interface Fault {
  /** For people: where the data says it is. */
  name: string
  /** What it is counted with: a measure, a system. */
  group: string
  /** The part of the group that is left out together with it where something is chosen: a day, a scenario, a service. */
  part: string
  /** Where it hurts: a URN. */
  service: string
  /** What hurts, where the data says so. */
  trouble?: 'latency' | 'errors'
  /** When it hurts. */
  range: TimeRange
  /** When all was well. */
  baseline: TimeRange
  /** What was broken: a URN. */
  cause: string
}
