import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { timeRange, type TimeRange } from '../database/range.ts'
import { oneOrMore } from '../schema/oneOrMore.ts'
import { boundedText, storableObject, urnText, type Json } from '../schema/text.ts'
import type { MetricBy } from './metricFrame.ts'
import { metricMeasures, type MetricMeasure } from './metricMeasures.ts'

/** The metrics and resources to read. */
export interface MetricOptions<By extends MetricBy> {
  /**
   * The metric's name in OpenTelemetry: `'http.server.request.duration'`. With several metrics, the
   * name of each series begins with its metric.
   */
  metric: string | readonly string[]
  /** The URN of a resource, or several; every resource with the metric if it is not given. */
  resource?: string | readonly string[]
  /** Only label sets that contain these (`@>`): `{ 'http.request.method': 'GET' }`. */
  labels?: Record<string, Json>
  measure: MetricMeasure
  /** Buckets that begin in it count. */
  range: TimeRange
  /**
   * What a series stands for. `'series'`: one label set of one resource. `'resource'`: all label
   * sets of a resource together. `'metric'`: all resources together. Default: `'series'`.
   */
  by?: By
}

/** The options of every read of metrics; `groupings` are the allowed values of `by`. */
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
 * The name of a point's series, by what it stands for; `metric` and `resource` are the row and its
 * resource.
 */
export function seriesName(by: MetricBy, several: boolean): RawBuilder<string> {
  if (by === 'metric') return sql`metric.metric`
  const name =
    by === 'resource'
      ? sql`resource.urn`
      : sql`case when metric.labels = '{}' then resource.urn else resource.urn || ' ' || metric.labels::text end`
  return several ? sql`metric.metric || ' ' || ${name}` : sql`${name}`
}
