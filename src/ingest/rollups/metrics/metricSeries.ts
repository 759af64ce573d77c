import type { MetricForm, MetricKind } from '../../records/metricForm.ts'
import type { PointValue } from '../../records/pointValue.ts'
import type { Json } from '../../../schema/text.ts'

/** One metric of one reporter with one set of labels. */
export interface MetricSeries {
  /** A hash of everything that distinguishes series. */
  id: string
  /** The resource's URN. */
  resource: string
  metric: string
  unit: string | null
  kind: MetricKind
  form: MetricForm
  labels: Record<string, Json>
}

/** A point of a series. Times are milliseconds; `time` and `start` may carry a fraction. */
export interface SeriesPoint {
  /** Minutes since 1970. */
  minute: number
  time: number
  /** 0 if it is not known. */
  start: number
  value: PointValue
  /** Whether the report of this run counts it; false if another run read it. */
  counted: boolean
}
