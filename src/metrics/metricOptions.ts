import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { timeRange, type TimeRange } from '../database/range.ts'
import { oneOrMore } from '../schema/oneOrMore.ts'
import { boundedText, storableObject, urnText, type Json } from '../schema/text.ts'
import type { MetricBy } from './metricFrame.ts'
import { metricMeasures, type MetricMeasure } from './metricMeasures.ts'

/** Which metrics, of whom. */
export interface MetricOptions<By extends MetricBy> {
  /**
   * The metric's name, as OpenTelemetry gives it: `'http.server.request.duration'`. Of several,
   * each series is named by the metric first.
   */
  metric: string | readonly string[]
  /** The URN of a resource, or of several; every resource that has the metric when left out. */
  resource?: string | readonly string[]
  /** Only label sets that contain these (`@>`): `{ 'http.request.method': 'GET' }`. */
  labels?: Record<string, Json>
  measure: MetricMeasure
  /** Buckets that begin in it count. */
  range: TimeRange
  /**
   * What a series stands for: `'series'`, one label set of one resource; `'resource'`, all its
   * label sets together; `'metric'`, all resources together. Default: `'series'`.
   */
  by?: By
}

/** The options that every read of metrics takes; `groupings` are what a series may stand for. */
export const metricOptions = <const By extends MetricBy>(groupings: readonly [By, ...By[]]) => ({
  metric: oneOrMore(boundedText(255)),
  resource: oneOrMore(urnText).optional(),
  labels: storableObject.optional(),
  measure: z.enum(metricMeasures),
  range: timeRange,
  by: z.enum(groupings).optional(),
})

/** Whether a column has one of the names. */
export const isOneOf = (column: string, names: readonly string[]): RawBuilder<boolean> =>
  names.length === 1 ? sql<boolean>`${sql.ref(column)} = ${names[0]}` : sql<boolean>`${sql.ref(column)} = any(${names}::text[])`

/**
 * How a point's series is called, by what it stands for, where `metric` and `resource` are the row
 * and its resource.
 */
export function seriesName(by: MetricBy, several: boolean): RawBuilder<string> {
  if (by === 'metric') return sql`metric.metric`
  const name =
    by === 'resource'
      ? sql`resource.urn`
      : sql`case when metric.labels = '{}' then resource.urn else resource.urn || ' ' || metric.labels::text end`
  return several ? sql`metric.metric || ' ' || ${name}` : sql`${name}`
}
