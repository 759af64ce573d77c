import { minuteBucket, windowBucket } from '../../../database/buckets.ts'
import { milliseconds } from '../../../database/range.ts'
import type { ParameterCounts } from '../../../logs/miner/parameterValues.ts'
import type { ExponentialHistogram } from '../../../sketch/exponentialHistogram.ts'
import type { HeavyHittersJson } from '../../../sketch/heavyHitters/heavyHitters.ts'
import type { Json } from '../../../schema/text.ts'
import type { Severity } from '../../../schema/severity.ts'
import type { MetricKind } from '../../records/metricForm.ts'
import type { TelemetryResource } from '../../records/telemetryResource.ts'

/** The length of a window, equal to the buckets of calls and log patterns. */
export const windowMilliseconds = milliseconds(windowBucket)
/** The length of a metric's bucket. */
export const minuteMilliseconds = milliseconds(minuteBucket)

/** A row for `metric_1m`: one minute of one metric of one resource with one set of labels. */
export interface MetricRow {
  /** The minute's start. */
  bucket: Date
  /** The resource's URN. */
  resource: string
  metric: string
  /** The attributes of the points. */
  labels: Record<string, Json>
  /** OpenTelemetry's unit, with `/s` appended for a counter; null without a unit. */
  unit: string | null
  kind: MetricKind
  avg: number | null
  max: number | null
  /**
   * Nearest-rank. Exact for gauges and counters; for histograms as exact as their buckets. Null for
   * a summary without this quantile.
   */
  p95: number | null
  /** Samples of a gauge or counter, observations of a histogram or summary. */
  sampleCount: number
  /** Null if `sampleCount` is 1, and for a summary. */
  histogram: ExponentialHistogram | null
}

/**
 * A row for `service_call_5m`: five minutes of calls from one resource to another. Latencies are
 * milliseconds.
 */
export interface CallRow {
  bucket: Date
  /** The caller's URN. */
  from: string
  /** The callee's URN. */
  to: string
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
  /**
   * For how many of the calls the callee's span arrived; its durations follow, null without one.
   */
  calleeCount: number
  calleeP50Ms: number | null
  calleeP95Ms: number | null
  calleeHistogram: ExponentialHistogram | null
  /**
   * Index of the window's locator that contains the caller's first span, or the callee's if no
   * caller's span arrived.
   */
  locator: number
}

/**
 * Five minutes of one masked line in one resource. The writer finds the pattern that the line is
 * of: several lines of a window may be one row of `log_pattern_5m`.
 */
export interface PatternRow {
  bucket: Date
  resource: string
  /** The message with `<*>` for numbers, addresses, times and ids. */
  maskedLine: string
  /** The earliest message of the window. */
  sampleMessage: string
  /** The highest severity among the messages; null if no message has one. */
  severity: Severity | null
  /** The attributes of the messages and their types. */
  attrsSchema: Record<string, string>
  countTotal: number
  /** Messages of severity ERROR or FATAL. */
  countError: number
  firstSeen: Date
  lastSeen: Date
  /** Index of the window's locator that contains the earliest message. */
  locator: number
  /**
   * How often each value came where the line has `<*>`, by the place; absent without the option
   * `parameters`.
   */
  parameters?: ParameterCounts
}

/** A row for `sketch_5m`: five minutes of one dimension's values in the records of one resource. */
export interface SketchRow {
  bucket: Date
  /** The URN of the resource that reported the records. */
  resource: string
  dimension: string
  /** The number of values, each counted as often as it occurred. */
  countTotal: number
  /** Those of spans that failed, or of log records of severity ERROR or FATAL. */
  countError: number
  /** The HyperLogLog of the values, as text: `\\x...`. */
  distinct: string
  /** The HyperLogLog of the values with an error; null if there are no errors. */
  distinctError: string | null
  heavyHitters: HeavyHittersJson
}

/** The key of one of a window's rows of `sketch_5m`. */
export type SketchKey = Pick<SketchRow, 'resource' | 'dimension'>

/** The location of raw records of the window. */
export interface Locator {
  dataset: 'logs' | 'traces' | 'metrics'
  objectBucket: string
  objectKey: string
  /** The window's range. */
  tFrom: Date
  tTo: Date
  queryHint: string
  /** `first_line` and `last_line` (from 1) of the requests with records of this window. */
  attributes: { first_line: number; last_line: number }
}

/**
 * All rows of five minutes, aligned in UTC, for `writeRollups` to write in one transaction. All
 * lists are sorted and without duplicates.
 */
export interface IngestWindow {
  /** Inclusive. */
  from: Date
  /** Exclusive. */
  to: Date
  resources: TelemetryResource[]
  metrics: MetricRow[]
  calls: CallRow[]
  patterns: PatternRow[]
  sketches: SketchRow[]
  locators: Locator[]
}
