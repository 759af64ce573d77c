import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { checkedRange, type TimeRange } from '../database/range.ts'
import { parse } from '../schema/parse.ts'
import { boundedText, storableObject, urnText, type Json } from '../schema/text.ts'
import { metricGroupings, type MetricBy } from './metricFrame.ts'
import { metricMeasures, type MetricMeasure } from './metricMeasures.ts'

/** Which metrics, of whom. */
export interface MetricOptions<By extends MetricBy> {
  /** The metric's name, as OpenTelemetry gives it: `'http.server.request.duration'`. Of several, each series is named by the metric first. */
  metric: string | readonly string[]
  /** The URN of a resource, or of several; every resource that has the metric when left out. */
  resource?: string | readonly string[]
  /** Only label sets that contain these (`@>`): `{ 'http.request.method': 'GET' }`. */
  labels?: Record<string, Json>
  measure: MetricMeasure
  /** Buckets that begin in it count. */
  range: TimeRange
  /**
   * What a series stands for: `'series'`, one label set of one resource; `'resource'`, all its label sets together; `'metric'`, all resources together.
   * Default: `'series'`.
   */
  by?: By
}

const metricName = boundedText(255)

/** Checks the options, and gives names as lists; `groupings` are what a series may stand for. */
export function checkedMetric<By extends MetricBy>(
  { metric, resource, labels, measure, range, by }: MetricOptions<By>,
  groupings: readonly MetricBy[] = metricGroupings,
) {
  return {
    metrics: oneOrMore(metric, metricName, 'metric'),
    /** Whether the metric has to be part of the series' names. */
    several: typeof metric !== 'string',
    resources: resource === undefined ? undefined : oneOrMore(resource, urnText, 'resource'),
    labels: parse(storableObject.optional(), labels, 'labels'),
    measure: parse(z.enum(metricMeasures), measure, 'measure'),
    range: checkedRange(range),
    by: parse(z.enum(groupings), by ?? 'series', 'by'),
  }
}

/** A name, or a list of at least one. */
function oneOrMore(value: string | readonly string[], name: z.ZodType<string>, field: string): string[] {
  return Array.isArray(value) ? parse(z.array(name).min(1, 'must name at least one'), value, field) : [parse(name, value, field)]
}

/** Whether a column has one of the names. */
export const isOneOf = (column: string, names: readonly string[]): RawBuilder<boolean> =>
  names.length === 1 ? sql<boolean>`${sql.ref(column)} = ${names[0]}` : sql<boolean>`${sql.ref(column)} = any(${names}::text[])`

/** How a point's series is called, by what it stands for, where `metric` and `resource` are the row and its resource. */
export function seriesName(by: MetricBy, several: boolean): RawBuilder<string> {
  if (by === 'metric') return sql`"metric"."metric"`
  const name =
    by === 'resource'
      ? sql`"resource"."urn"`
      : sql`case when "metric"."labels" = '{}' then "resource"."urn" else "resource"."urn" || ' ' || "metric"."labels"::text end`
  return several ? sql`"metric"."metric" || ' ' || ${name}` : sql`${name}`
}
