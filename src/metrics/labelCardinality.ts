import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { ofTenant } from '../database/sql/ofTenant.ts'
import { requireResources } from '../database/sql/requireResources.ts'
import { readingOf } from '../lifecycle/rollups/resolution.ts'
import { rowsOf } from '../lifecycle/rollups/rowsOf.ts'
import { parseOptions } from '../schema/parse.ts'
import { metricOptions } from './metricOptions.ts'
import { metricLadder } from './metricPolicy.ts'
import { isWanted } from './seriesOf.ts'

export interface LabelCardinalityOptions {
  /** The name of a metric, or several; every metric if it is not given. */
  metric?: string | readonly string[]
  /** The URN of a resource, or several; every resource if it is not given. */
  resource?: string | readonly string[]
  /** Series with a bucket that begins in it count. */
  range: TimeRange
}

/** The effect of one label on the number of series of one metric. */
export interface LabelCardinality {
  metric: string
  /** The label's name. */
  label: string
  /** The number of series of the metric, with and without the label. */
  series_count: number
  /** How many of them have the label. */
  labelled_count: number
  /** The number of distinct values of the label. */
  value_count: number
  /** The number of series that the metric would have without the label. */
  reduced_count: number
  /** The share of series that would disappear without the label, 0..1. */
  series_share: number
  /** URN of the resource with the most series that have the label. */
  top_urn: string
  /** The number of its series with the label. */
  top_count: number
  /** The metric, a space, and the label as a JSON string. */
  item: string
  /** The number of series that exist only because of the label: `series_count - reduced_count`. */
  score: number
}

const { range, resource, metric } = metricOptions(['series'])
const labelCardinalityOptions = z.strictObject({ metric: metric.optional(), resource, range })

/**
 * Which label of which metric creates the most series: a ranking frame with one row for each metric
 * and label, the most expensive label first.
 *
 * A series is a label set of a metric of a resource. `{ user: 'a', code: 200 }` and
 * `{ user: 'b', code: 200 }` of one resource are two series; without `user` they would be one.
 *
 * | | |
 * |---|---|
 * | counts | exact, of the series that have a bucket in the range |
 * | `reduced_count` | the label is removed from every series; series of one resource that are then equal count once, including series that never had the label |
 * | two labels that always change together | neither reduces the number of series alone: both have `score` 0 and a high `value_count` |
 * | values | differ by type too: `200` and `"200"` are two |
 * | order | `score` descending, then `item` by its bytes, as in `topK` |
 * | absent | a metric without labels, or without a bucket in the range |
 * | range | buckets that begin in it count as a whole: an hour that began before it is left out, and the last one extends past its end |
 * | read from | up to a week `metric_1m`, up to 420 days `metric_1h`, beyond that `metric_1d` (in UTC); a coarser table if rows of a finer one were dropped |
 * | cost | one index lookup for each series, then one pass over each label of each series, on disk beyond `work_mem`: 100,000 series with six labels took 10 s on two busy cores; name a `metric` if there are many |
 *
 * @throws InvalidInputError if a metric, a URN or the range is invalid; names the field.
 * @example
 * const worst = topK(scope, labelCardinality(scope, { range: last('1 day') }), 5)
 *
 * // select "label".* from (
 * //   with series as (
 * //     select "known"."metric", "known"."resource_id", "known"."labels"
 * //     from "public"."metric_series" as "known" cross join lateral (
 * //       select ... from "public"."metric_1m" as "metric" where ... limit 1
 * //     ) as "found" where ...
 * //   ),
 * //   cut as (select ..., each series as it is, and without each of its labels ...),
 * //   rest as (select ..., the reduced label sets, and whether each is a series ... group by ...),
 * //   ..., counted as (...), valued as (select ..., pg_catalog.count(*) as value_count ...)
 * //   select ..., (counted.labelled - counted.remaining)::float8 as score
 * //   from counted join valued on ... order by score desc, (...) collate "C"
 * // ) as "label"
 */
export function labelCardinality(scope: Scope, options: LabelCardinalityOptions): Finished<LabelCardinality, 'label'> {
  const { metric: metrics, resource: resources, range } = parseOptions(labelCardinalityOptions, options)
  const reading = readingOf(scope, metricLadder, range)
  // A lookup for each series, not a pass over all rows of the range.
  const inRange = scope.db
    .selectFrom(rowsOf(scope, metricLadder, reading).as('metric'))
    .select('metric.series_id')
    .where('metric.series_id', '=', sql.ref<string>('known.series_id'))
    .where(ofTenant(scope, 'metric'))
    .where('metric.bucket', '>=', reading.range.from)
    .where('metric.bucket', '<', reading.range.to)
    .limit(sql.lit(1))
  const series = scope.db
    .selectFrom(scope.table('metric_series', 'known'))
    .crossJoinLateral(inRange.as('found'))
    .select(['known.metric', 'known.resource_id', 'known.labels'])
    .where(isWanted(scope, { metrics, resources, since: reading.range.from }))
    .$if(resources !== undefined, (all) => all.where(requireResources(scope, resources!)))
  // Labels that are not an object count as no labels.
  const named = sql`case when pg_catalog.jsonb_typeof(series.labels) = 'object' then series.labels else '{}' end`
  const item = sql`counted.metric || ' ' || pg_catalog.to_json(counted.label)::text`
  // Grouping, not a join of labels, finds out whether the reduced label set is a series already:
  // without statistics a join would compare each with each.
  const labels = sql<LabelCardinality>`(
    with series as ${series},
    cut as (
      select series.metric, series.resource_id, cut.label, cut.remainder
      from series
      cross join lateral (
        select null::text as label, series.labels as remainder
        union all
        select key.label, series.labels - key.label from pg_catalog.jsonb_object_keys(${named}) as key (label)
      ) as cut
    ),
    rest as (
      select cut.metric, cut.resource_id, pg_catalog.array_agg(cut.label) as labels,
        bool_or(cut.label is null) as is_series
      from cut
      group by cut.metric, cut.resource_id, cut.remainder
    ),
    sent as (
      select rest.metric, rest.resource_id, taken.label, sum(taken.merged) as labelled,
        pg_catalog.count(*) filter (where not rest.is_series) as remaining
      from rest
      cross join lateral (
        select one.label, pg_catalog.count(*) as merged from pg_catalog.unnest(rest.labels) as one (label) group by one.label
      ) as taken
      group by rest.metric, rest.resource_id, taken.label
    ),
    counted as (
      select sent.metric, sent.label, sum(sent.labelled) as labelled, sum(sent.remaining) as remaining,
        sum(sum(sent.labelled) filter (where sent.label is null)) over (partition by sent.metric) as series_count,
        (pg_catalog.array_agg(resource.urn order by sent.labelled desc, resource.urn collate "C"))[1] as top_urn,
        max(sent.labelled) as top_count
      from sent
      join ${scope.id('dim_resource')} as resource on resource.tenant_id = ${scope.tenantId} and resource.resource_id = sent.resource_id
      group by sent.metric, sent.label
    ),
    valued as (
      select known.metric, known.label, pg_catalog.count(*) as value_count
      from (
        select distinct series.metric, pair.label, pair.value
        from series cross join lateral pg_catalog.jsonb_each(${named}) as pair (label, value)
      ) as known
      group by known.metric, known.label
    )
    select counted.metric, counted.label, counted.series_count::float8 as series_count, counted.labelled::float8 as labelled_count,
      valued.value_count::float8 as value_count,
      (counted.series_count - counted.labelled + counted.remaining)::float8 as reduced_count,
      (counted.labelled - counted.remaining)::float8 / counted.series_count::float8 as series_share,
      counted.top_urn, counted.top_count::float8 as top_count,
      ${item} as item, (counted.labelled - counted.remaining)::float8 as score
    from counted
    join valued on valued.metric = counted.metric and valued.label = counted.label
    order by score desc, (${item}) collate "C"
  )`
  return finished(scope, labels, 'label')
}
