import type { Finished } from '../database/finished.ts'
import type { Json } from '../schema/text.ts'
import type { SeriesRow } from '../series/seriesFrame.ts'

/** What a series stands for: one label set of one resource, a resource, or the whole metric. */
export const metricGroupings = ['series', 'resource', 'metric'] as const
export type MetricBy = (typeof metricGroupings)[number]

/** A point of a resource's series. */
export interface ResourcePoint extends SeriesRow {
  resource_id: string
}

/** A point of one label set of a resource. */
export interface LabelledPoint extends ResourcePoint {
  labels: Record<string, Json>
}

/** A point of a metric series. Its other columns say what the series stands for. */
export type MetricPoint<By extends MetricBy> = By extends 'series' ? LabelledPoint : By extends 'resource' ? ResourcePoint : SeriesRow

export type MetricFrame<By extends MetricBy> = Finished<MetricPoint<By>, 'point'>
