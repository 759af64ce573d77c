import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../../database/finished.ts'
import type { Scope } from '../../database/scope.ts'
import { byBytes } from '../../database/sql/byBytes.ts'
import type { Frame } from '../../database/sql/frame.ts'
import { parseOptions } from '../../schema/parse.ts'
import { boundedText } from '../../schema/text.ts'
import { boundedValue } from '../points.ts'
import { inAnyOrder } from '../../database/sql/inAnyOrder.ts'
import { reduced, reductions, type Reduction } from './reduction.ts'
import type { SeriesFrame, SeriesRow } from '../seriesFrame.ts'

/** The group of one series. */
export interface LookupRow {
  series: string
  /** Null counts as the empty text: the group without a name. */
  group: string | null
}

/**
 * Any query that names the group of each series, with one row for each series. It may come from a
 * Kysely of any database type.
 */
export type LookupFrame = Frame<LookupRow>

/**
 * Groups by what the catalog knows of a series' resource: one of its columns, or one of its labels.
 */
export type ByResource = { resource: 'env' | 'region' | 'zone' | 'type' } | { resourceLabel: string }

/** Groups by one of the series' own labels. */
export interface ByLabel {
  label: string
}

/**
 * Groups by your own query, which names the group of each series. If it has several rows for a
 * series, any one of them is taken.
 */
export interface ByLookup {
  lookup: LookupFrame
}

export interface AggregateAcrossOptions<By> {
  /** How the values that a group has at one bucket become one value. */
  with: Reduction
  /** What decides the group of a series. */
  by: By
}

/** A point of a group of series. Its `series` is the name of the group, as text. */
export interface AcrossRow extends SeriesRow {
  /** Null if all values of the group at this bucket are null; with `count` it is then 0. */
  value: number | null
  /** How many values it is made of: the non-null values of the group's series at this bucket. */
  points: number
}

/** A series frame of groups. */
export type AcrossFrame = Finished<AcrossRow, 'across'>

const labelText = boundedText(1024)

const groupings = {
  resource: z.enum(['env', 'region', 'zone', 'type']).optional(),
  resourceLabel: labelText.optional(),
  label: labelText.optional(),
  lookup: z.custom<LookupFrame | undefined>((query) => query === undefined || isQuery(query), 'must be a query').optional(),
}

const aggregateAcrossOptions = z.strictObject({
  with: z.enum(reductions),
  by: z
    .strictObject(groupings)
    .refine(
      (by) => Object.values(by).filter((each) => each !== undefined).length === 1,
      `must have one of ${Object.keys(groupings).join(', ')}`,
    )
    .optional(),
})

/**
 * Combines the series of a frame into one series for each group, bucket by bucket. Ordered by
 * group, then time.
 *
 * | `by` | a group is | the frame also needs |
 * |---|---|---|
 * | not given | all series, named `all` | |
 * | `{ resource: 'region' }` | an `env`, `region`, `zone` or `type` of the catalog | `resource_id` |
 * | `{ resourceLabel: 'team' }` | a value of that label of the resource in the catalog | `resource_id` |
 * | `{ label: 'http.request.method' }` | a value of that label of the series | `labels` |
 * | `{ lookup: query }` | what your query has as `group` for the `series` | |
 *
 * - A series without such a value belongs to the group named with the empty text. A missing label
 *   and an empty one are the same, as in Prometheus' data model. A resource that is not in the
 *   tenant's catalog also belongs there.
 * - The other functions on series drop `resource_id` and `labels`. Group before you call them, or
 *   use a lookup built from the original frame.
 * - Missing values are ignored: if some series of a group have null or no row at a bucket, the sum
 *   is the sum of the others. `points` says how many those are.
 * - Buckets match when they begin at the same time. If the series' buckets differ, call
 *   {@link resample} first. For counters, call {@link rate} first (but not for what `metricSeries`
 *   gives: those are rates already).
 * - NaN makes the average and the sum NaN. For the other reductions NaN is above every number. For
 *   very small and large values see {@link SeriesRow}.
 * - An average weighs every series the same. Do not add or average percentiles.
 *
 * @throws InvalidInputError naming the option that is wrong.
 * @example
 * const errors = metricSeries(scope, { metric: 'http.server.errors', measure: 'avg', range: last('1 hour') })
 * await aggregateAcross(scope, errors, { with: 'sum', by: { resource: 'region' } }).execute()
 *
 * const methods = scope.db.selectFrom(errors.as('point')).select(['point.series', sql<string>`point.labels ->> 'method'`.as('group')]).distinct()
 * await aggregateAcross(scope, movingAverage(scope, errors, { points: 5 }), { with: 'sum', by: { lookup: methods } }).execute()
 *
 * // select "across".* from (
 * //   select "point"."series", "point"."bucket", sum(point.value) as "value",
 * //     pg_catalog.count(point.value)::int4 as "points"
 * //   from (
 * //     select coalesce("resource"."region", '') as series, point.bucket, ... as value
 * //     from (...) as point left join "public"."dim_resource" as resource
 * //       on resource.tenant_id = $1::int8 and resource.resource_id = point.resource_id
 * //   ) as "point" group by "point"."series", "point"."bucket" order by ("point"."series") collate
 * //     "C", "point"."bucket"
 * // ) as "across"
 */
export function aggregateAcross(
  scope: Scope,
  frame: SeriesFrame,
  options: { with: Reduction; by?: undefined } | AggregateAcrossOptions<ByLookup>,
): AcrossFrame
export function aggregateAcross(
  scope: Scope,
  frame: SeriesFrame<SeriesRow & { resource_id: string | null }>,
  options: AggregateAcrossOptions<ByResource>,
): AcrossFrame
export function aggregateAcross(
  scope: Scope,
  frame: SeriesFrame<SeriesRow & { labels: unknown }>,
  options: AggregateAcrossOptions<ByLabel>,
): AcrossFrame
export function aggregateAcross(
  scope: Scope,
  frame: SeriesFrame,
  options: { with: Reduction; by?: ByLookup | ByResource | ByLabel | undefined },
): AcrossFrame {
  const { with: how, by = {} } = parseOptions(aggregateAcrossOptions, options)
  const grouped = sql<SeriesRow>`(
    select ${groupName(by)} as series, point.bucket, ${boundedValue} as value
    from ${inAnyOrder(frame)} as point ${catalog(scope, by)}
  )`
  const across = scope.db
    .selectFrom(grouped.as('point'))
    .groupBy(['point.series', 'point.bucket'])
    .select(['point.series', 'point.bucket', reduced[how].as('value'), sql<number>`pg_catalog.count(point.value)::int4`.as('points')])
    .orderBy(byBytes(sql.ref('point.series')))
    .orderBy('point.bucket')
  return finished(scope, across, 'across')
}

type By = NonNullable<z.output<typeof aggregateAcrossOptions>['by']>

/** The SQL text that a point of the frame is grouped by. */
function groupName({ resource, resourceLabel, label, lookup }: By): RawBuilder<string> {
  if (resource !== undefined) return sql`coalesce(${sql.ref(`resource.${resource}`)}, '')`
  if (resourceLabel !== undefined) return sql`coalesce(resource.labels ->> ${resourceLabel}::text, '')`
  if (label !== undefined) return sql`coalesce(point.labels ->> ${label}::text, '')`
  if (lookup === undefined) return sql`'all'::text`
  // A lookup in one object instead of a join: the planner cannot estimate a frame's rows, and where
  // it guesses few it compares every row with every other.
  return sql`coalesce((
    select pg_catalog.jsonb_object_agg(lookup.series, lookup.group) from ${lookup} as lookup where lookup.series is not null
  ) ->> point.series, '')`
}

/** The join that the group is read from. */
function catalog(scope: Scope, { resource, resourceLabel }: By): RawBuilder<unknown> {
  if (resource === undefined && resourceLabel === undefined) return sql``
  return sql`left join ${scope.id('dim_resource')} as resource
    on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = point.resource_id`
}

function isQuery(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'toOperationNode' in value
}
