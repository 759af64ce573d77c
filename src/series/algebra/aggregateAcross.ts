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

/** Which group a series belongs to. */
export interface LookupRow {
  series: string
  /** Null: to none that has a name. */
  group: string | null
}

/**
 * Any query that names the group of each series, in one row a series, whatever database type it was
 * built on.
 */
export type LookupFrame = Frame<LookupRow>

/**
 * Groups by what the catalog knows of the resource that a series belongs to: a column of it, or one
 * of its labels.
 */
export type ByResource = { resource: 'env' | 'region' | 'zone' | 'type' } | { resourceLabel: string }

/** Groups by one of the series' own labels. */
export interface ByLabel {
  label: string
}

/**
 * Groups by a query of yours that names the group of each series, in one row a series; of several,
 * any one.
 */
export interface ByLookup {
  lookup: LookupFrame
}

export interface AggregateAcrossOptions<By> {
  /** What becomes of the values that a group has at one bucket. */
  with: Reduction
  /** What puts series into groups. */
  by: By
}

/**
 * A point of a group of series. Its `series` is the group: the value by which it is grouped, as
 * text.
 */
export interface AcrossRow extends SeriesRow {
  /** Null where the group has nothing but nulls at this bucket; 0 then with `count`. */
  value: number | null
  /** How many values it is made of: those of the group's series that have one at this bucket. */
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
 * The series of a frame put together, bucket by bucket, into one series for each group, in the
 * order of group and time.
 *
 * | `by` | a group is | the frame also needs |
 * |---|---|---|
 * | none | all of them, named `all` | |
 * | `{ resource: 'region' }` | an `env`, `region`, `zone` or `type` of the catalog | `resource_id` |
 * | `{ resourceLabel: 'team' }` | a value of that label of the resource in the catalog | `resource_id` |
 * | `{ label: 'http.request.method' }` | a value of that label of the series | `labels` |
 * | `{ lookup: query }` | what your query has as `group` for the `series` | |
 *
 * - A series without such a value belongs to the group named with the empty text: not having a
 *   label and having an empty one are the same, as in Prometheus' data model. So does a resource
 *   that the tenant's catalog does not have.
 * - The other functions on series leave `resource_id` and `labels` behind: group before them, or by
 *   a lookup of what the frame had before them.
 * - Only what is there is put together: where some series of a group have no row at a bucket, or
 *   null, the sum is the sum of the others, and `points` says how many those are.
 * - Buckets match when they begin at the same time: {@link resample} first where the series'
 *   buckets differ, and take the {@link rate} of counters first (not of what `metricSeries` gives,
 *   which are rates).
 * - NaN makes the average and the sum NaN; for the others it is above every number. Magnitudes
 *   below 1e-100 count as 0, above 1e100 as infinite.
 * - Averages weigh every series the same, and percentiles neither add up nor average.
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

/** The text that a point of the frame is grouped by. */
function groupName({ resource, resourceLabel, label, lookup }: By): RawBuilder<string> {
  if (resource !== undefined) return sql`coalesce(${sql.ref(`resource.${resource}`)}, '')`
  if (resourceLabel !== undefined) return sql`coalesce(resource.labels ->> ${resourceLabel}::text, '')`
  if (label !== undefined) return sql`coalesce(point.labels ->> ${label}::text, '')`
  if (lookup === undefined) return sql`'all'::text`
  // Looked up in one object, not joined: the planner can only guess how many rows a frame has, and
  // where it guesses few it compares all with all.
  return sql`coalesce((
    select pg_catalog.jsonb_object_agg(lookup.series, lookup.group) from ${lookup} as lookup where lookup.series is not null
  ) ->> point.series, '')`
}

/** What stands beside the frame, for the group to be read from. */
function catalog(scope: Scope, { resource, resourceLabel }: By): RawBuilder<unknown> {
  if (resource === undefined && resourceLabel === undefined) return sql``
  return sql`left join ${scope.id('dim_resource')} as resource
    on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = point.resource_id`
}

function isQuery(value: unknown): boolean {
  return typeof value === 'object' && value !== null && 'toOperationNode' in value
}
