import type { ExponentialHistogram } from '../../sketch/exponentialHistogram.ts'
import type { Json } from '../../schema/text.ts'
import type { Severity } from '../../schema/severity.ts'

/** The length of a window: that of the buckets of calls and log patterns. */
export const windowMilliseconds = 300_000
/** The length of a metric's bucket. */
export const minuteMilliseconds = 60_000

/** `counter`: a monotonic sum, as per-second rates. `gauge`: gauges and sums that also fall. */
export type MetricKind = 'gauge' | 'counter' | 'histogram' | 'summary'

/** A resource that rows of the window refer to. */
export interface ResourceInput {
  urn: string
  type: 'service' | 'host' | 'database' | 'queue' | 'external'
  name: string
  env: string | null
  region: string | null
  zone: string | null
  labels: Record<string, Json>
}

/** One minute of one metric of one resource with one set of labels. */
export interface MetricRollup {
  /** The minute's start. */
  bucket: Date
  /** The resource's URN. */
  resource: string
  metric: string
  /** The attributes of the points. */
  labels: Record<string, Json>
  /** As OpenTelemetry gives it, with `/s` appended for a counter; null when there is none. */
  unit: string | null
  kind: MetricKind
  avg: number | null
  max: number | null
  /** Nearest-rank. Exact for gauges and counters; for histograms as exact as their buckets; null for a summary that does not carry it. */
  p95: number | null
  /** Samples of a gauge or counter, observations of a histogram or summary. */
  sampleCount: number
  /** Null where `sampleCount` is 1, and for a summary. */
  histogram: ExponentialHistogram | null
}

/** Five minutes of calls from one resource to another. Latencies are milliseconds. */
export interface CallRollup {
  bucket: Date
  /** The caller's URN. */
  src: string
  /** The callee's URN. */
  dst: string
  callCount: number
  errorCount: number
  /** Calls per second: `callCount / 300`. */
  rps: number
  /** 0..1 */
  errRate: number
  /** Nearest-rank, exact, as is `p95Ms`. */
  p50Ms: number
  p95Ms: number
  /** Null for a single call. */
  histogram: ExponentialHistogram | null
  /** Which of the window's locators holds the caller's (or, without one, the callee's) first span: an index. */
  locator: number
}

/** Five minutes of one log pattern in one resource. */
export interface PatternRollup {
  bucket: Date
  resource: string
  pattern: string
  /** The earliest message of the window. */
  sampleMessage: string
  /** The highest severity among the messages; null when none has one. */
  severity: Severity | null
  /** The attributes the messages carry and their types. */
  attrsSchema: Record<string, string>
  countTotal: number
  /** Messages of severity ERROR or FATAL. */
  countError: number
  firstSeen: Date
  lastSeen: Date
  /** Which of the window's locators holds the earliest message: an index. */
  locator: number
}

/** Where raw records of the window lie. */
export interface Locator {
  dataset: 'logs' | 'traces' | 'metrics'
  bucket: string
  objectKey: string
  /** The window's range. */
  tFrom: Date
  tTo: Date
  queryHint: string
  /** `first_line` and `last_line` (from 1) of the requests with records of this window. */
  attributes: { first_line: number; last_line: number }
}

/** Everything of one aligned five-minute window: what one transaction writes. Every list is sorted and free of duplicates. */
export interface RollupWindow {
  /** Inclusive. */
  from: Date
  /** Exclusive. */
  to: Date
  resources: ResourceInput[]
  metrics: MetricRollup[]
  calls: CallRollup[]
  patterns: PatternRollup[]
  locators: Locator[]
}
