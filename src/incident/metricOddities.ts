import { sql } from 'kysely'
import { z } from 'zod'
import { comparedWindows, refuseOverlap } from '../database/comparedWindows.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { resourceAt } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import { askedOf } from './changes.ts'
import { departures } from './departures.ts'
import { givenMeanings, meaningOfMetrics, type MeaningOfMetric } from './metricMeanings.ts'

export interface MetricOddityOptions {
  /** The time to judge: each minute that begins in it. */
  range: TimeRange
  /** A normal time to compare with, of at least five minutes; it must not overlap `range`. */
  baseline: TimeRange
  /**
   * The meanings of metrics that OpenTelemetry's conventions do not name, or that mean something
   * else in your system.
   */
  meanings?: readonly MeaningOfMetric[]
  /** A metric is odd if it is more than this many deviations above its median. Default: 2.5. */
  deviations?: number
}

/** A metric of a resource that left its normal range for the worse. */
export interface MetricOddity {
  resource_id: string
  urn: string
  metric: string
  /** What is worse: `errors` is 1 minus an availability, an error ratio, or the share of failed answers. */
  kind: 'latency' | 'errors' | 'cpu' | 'saturation'
  /** The median of the baseline's minutes, in `unit`; of CPU for the requests of the range. */
  expected: number
  /** The mean of the range. */
  actual: number
  /**
   * The unit of both, as OpenTelemetry names it: `ms` for times, `1` for percents and error ratios
   * (0..1), `{cpu}` for seconds of CPU in a second, else the metric's own. Null if it has none.
   */
  unit: string | null
  /** How many deviations `actual` is above `expected`. */
  deviations: number
  /** The share of `actual` that is new, less what may be chance, 0..1. */
  share: number
}

const metricOddityOptions = z
  .strictObject({ ...comparedWindows, meanings: givenMeanings.default([]), deviations: z.number().min(0).default(2.5) })
  .superRefine(refuseOverlap)

/**
 * The metrics that left their normal range for the worse: latency, errors, CPU and what else is
 * used up, of every resource, without a call graph. One row for each resource and metric (for CPU
 * and saturation the worst of its label sets), the greatest share first.
 *
 * | | |
 * |---|---|
 * | which metrics | those that OpenTelemetry's conventions name, and `meanings` |
 * | a deviation | the distance from the baseline's median to its 95th percentile, divided by 1.645; at least a twentieth of the value, a thirtieth of a core or of the whole, or one request |
 * | fewer than five minutes of baseline | no judgement |
 * | `share` | 1 - `expected` / `actual`, both a thirtieth of a core (or of the whole) greater, times 1 - (2 / `deviations`)² |
 * | order | `share` descending, then `urn` and `metric` by their bytes |
 *
 * CPU is expected to rise with the requests, as far as calls or samples of a latency count them.
 * Other metrics that rise with the traffic are odd in more traffic: compare with a time like it.
 *
 * @throws InvalidInputError if a window runs backwards, the two overlap, or an option is out of its
 * bounds; names the field.
 * @example
 * const odd = metricOddities(scope, { range: last('20 minutes'), baseline: { from: anHourAgo, to: twentyMinutesAgo } })
 * await odd.where('kind', 'in', ['cpu', 'saturation']).execute()
 *
 * // select "oddity".* from (
 * //   select "odd"."resource_id", "resource"."urn", "odd"."metric", "odd"."kind", ...
 * //   from (with ..., measured_metric as (... from "public"."metric_1m" as point ...), departed_metric as (...)
 * //     select distinct on (...) ... from departed_metric ...) as "odd"
 * //   inner join lateral (...) as "resource" on true order by "odd"."share" desc, ...
 * // ) as "oddity" where "kind" in ($28, $29)
 */
export function metricOddities(scope: Scope, options: MetricOddityOptions): Finished<MetricOddity, 'oddity'> {
  const { range, baseline, meanings, deviations } = parseOptions(metricOddityOptions, options)
  const odd = sql<Omit<MetricOddity, 'urn'>>`(
    with ${askedOf(scope, { range, baseline })}, ${departures(scope, { range, baseline, meanings: meaningOfMetrics(meanings), deviations })}
    select distinct on (resource_id, metric, kind) resource_id, metric, kind, expected, actual, unit, deviations, share
    from departed_metric
    order by resource_id, metric, kind, share desc, actual desc
  )`
  const oddities = scope.db
    .selectFrom(odd.as('odd'))
    .innerJoinLateral(resourceAt(scope, 'odd.resource_id').as('resource'), (join) => join.onTrue())
    .select(['odd.resource_id', 'resource.urn', 'odd.metric', 'odd.kind'])
    .select(['odd.expected', 'odd.actual', 'odd.unit', 'odd.deviations', 'odd.share'])
    .orderBy('odd.share', 'desc')
    .orderBy(byBytes('resource.urn'))
    .orderBy(byBytes('odd.metric'))
    .orderBy(byBytes('odd.kind'))
  return finished(scope, oddities, 'oddity')
}
