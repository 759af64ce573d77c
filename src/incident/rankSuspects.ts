import { sql } from 'kysely'
import { z } from 'zod'
import { comparedWindows, refuseOverlap } from '../database/comparedWindows.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { accounts } from './accounts.ts'
import { departures } from './departures.ts'
import { givenMeanings, meaningOfMetrics, type MeaningOfMetric } from './metricMeanings.ts'
import { oddCalls, oddityThresholds, type OddityThresholds, type OddityWindows } from './oddCalls.ts'
import { reachedFrom } from './reachedFrom.ts'

export interface SuspectThresholds extends OddityThresholds {
  /**
   * A metric has left its normal range if it is more than this many deviations above its median.
   * Default: 2.5.
   */
  deviations?: number
}

export interface RankSuspectsOptions extends OddityWindows {
  /** The URN of the service that has the trouble. */
  service: string
  /** The kind of trouble, if known: trouble of the other kind then counts half. */
  trouble?: 'latency' | 'errors'
  /**
   * The meanings of metrics that OpenTelemetry's conventions do not name, or that mean something
   * else in your system.
   */
  meanings?: readonly MeaningOfMetric[]
  /** How many calls or dependencies deep to look, 1 to 32. Default: 8. */
  hops?: number
  thresholds?: SuspectThresholds
}

/** One thing that is odd about a suspect. */
export interface SuspectEvidence {
  /** `'call'`: what a caller saw of its calls. `'metric'`: a metric of the suspect itself. */
  kind: 'call' | 'metric'
  /** For calls `p95_ms` (milliseconds) or `err_rate` (0..1); for a metric its name. */
  measure: string
  /**
   * The value in the baseline; for a metric its median. A latency is in milliseconds; an
   * availability is given as 1 minus its value.
   */
  expected: number
  /** The value in the range; for a metric its mean. */
  actual: number
  /** URN of the caller; null for a metric. */
  src_urn: string | null
  /**
   * The total cost over the range: milliseconds waited or requests failed; null for CPU and
   * saturation.
   */
  lost: number | null
}

/** A resource that may be the cause, with the evidence. */
export interface Suspect {
  resource_id: string
  urn: string
  /** Equal to `urn`: suspects are a ranking frame. */
  item: string
  /** The share of the trouble that arises in the resource itself, 0..1. */
  score: number
  /** Calls and dependencies between the service and the suspect; 0 is the service itself. */
  depth: number
  /** URNs from the service to the suspect. */
  path: string[]
  /**
   * The oddest thing about it: `p95_ms` or `err_rate` of the calls to it, or the name of its
   * metric.
   */
  measure: string
  /** The measure in the baseline. */
  expected: number
  /** The measure in the range. */
  actual: number
  /**
   * `resource_id` of the observer: the caller whose calls lost most, or the suspect itself if the
   * measure is a metric.
   */
  src: string
  src_urn: string
  /** All that is odd about it, calls first, then by cost. */
  evidence: SuspectEvidence[]
}

const rankSuspectsOptions = z
  .strictObject({
    ...comparedWindows,
    service: urnText,
    trouble: z.enum(['latency', 'errors']).optional(),
    meanings: givenMeanings.default([]),
    hops: z.int().min(1).max(32).default(8),
    thresholds: oddityThresholds.extend({ deviations: z.number().min(0).default(2.5) }).prefault({}),
  })
  .superRefine(refuseOverlap)

/**
 * The resources that may cause a service's trouble, the most likely first. No rows in normal times.
 *
 * 1. From the service, the search follows what it depends on: odd calls (see {@link callOddities}),
 *    calls that may be odd but are too few to know, and edges of the topology of any relation
 *    (`calls`, `depends_on`, `runs_on`, ...) without measured calls. Calls that certainly did not
 *    change are not followed.
 * 2. Every reached resource with something odd is a suspect. Latency and errors are accounted for
 *    separately.
 * 3. `lost` is the cost at a resource over the range, compared with the baseline: how many more
 *    milliseconds were waited for its answers, or how many more requests failed. It comes from its
 *    callers, or from its own metrics if no calls to it are measured (see `meanings`).
 * 4. Its own part is `lost` minus what was lost at its dependencies. A service that only waits for
 *    others has nothing left, even if it calls a dependency ten times for each answer.
 * 5. `score` is its own part divided by the most that was lost at any suspect: near 0 for a service
 *    that waits, 1 where the time is lost. To compare the two kinds, one failed request in twenty
 *    weighs as much as answers of the service that take a tenth longer. Smaller trouble scores
 *    proportionally less, unless `trouble` names its kind.
 *
 * Four rules then adjust the score:
 *
 * | a resource | |
 * |---|---|
 * | that is saturated itself (CPU, memory, ...) | gets 1 - (1 - score)². If its CPU is saturated, what its calls to others lose is its own loss, unless their CPU is saturated too: it reads answers late |
 * | that is not saturated but runs on a saturated one | passes its loss to that one, if that one has no answers to measure (a host, a disk) |
 * | whose trouble may follow from the other kind below it | counts down to half: retries and timeouts turn failures into waiting and back. So does trouble of the other kind if `trouble` is given |
 * | that is a new dependency | has no baseline: its failures count half, and do not excuse its new caller |
 *
 * Of equal scores the deeper resource comes first, then the URN decides.
 *
 * Limits: a cause that shows in no measure (a lost message, a wrong answer), or that was as bad in
 * the baseline, stays hidden. Work off the path of the answers counts as if it were on it. Every
 * sample of a latency or availability counts as a request. One resource in trouble is assumed: of
 * two at once the costlier comes first. Percentiles of calls are within 1.083 %. Metrics are read
 * by the minute: a baseline of an hour or a day is enough.
 *
 * Literature: the anomalous part of the dependency graph, Chen, Qi, Zheng, Hou, "CauseInfer"
 * (INFOCOM 2014); self time, Graham, Kessler, McKusick, "gprof: a call graph execution profiler"
 * (1982); metrics that corroborate calls, Wu, Tordsson, Elmroth, Kao, "MicroRCA" (NOMS 2020).
 *
 * @throws InvalidInputError if a window runs backwards, the two overlap, or an option is out of its
 * bounds.
 * @example
 * const suspects = rankSuspects(scope, {
 *   service: 'urn:k8s:svc:shop/frontend',
 *   range: last('20 minutes'),
 *   baseline,
 *   meanings: [{ metric: 'shop.availability', means: 'availability' }],
 * })
 * await topK(scope, suspects, 3).execute()
 *
 * // select "suspect".* from (
 * //   with recursive compared_call as (...), ..., walked_trouble (resource_id, trouble, depth) as
 * //     (... union ...), ..., odd_metric as (...), ...
 * //   select ... from suspect join ... order by suspect.score desc, suspect.depth desc,
 * //     resource.urn collate "C"
 * // ) as "suspect"
 */
export function rankSuspects(scope: Scope, options: RankSuspectsOptions): Finished<Suspect, 'suspect'> {
  const { service, trouble, meanings: given, hops, thresholds, range, baseline } = parseOptions(rankSuspectsOptions, options)
  const { deviations, ...ofCalls } = thresholds
  const meanings = meaningOfMetrics(given)
  const resource = scope.id('dim_resource')
  // Each of the four parts has a table of its common table expressions. Those that follow:
  //
  // | name               | one row per               | columns                                              |
  // |--------------------|---------------------------|------------------------------------------------------|
  // | suspect            | resource in trouble       | score: its highest; the trouble that has it; depth   |
  // | evidence           | odd call or odd metric    | kind, trouble, measure, expected, actual, caller, lost |
  // | oddest_evidence    | suspect                   | measure, expected, actual, caller of what is oddest  |
  // | collected_evidence | suspect                   | evidence: all of it, a JSON array                    |
  // | previous_trouble   | resource and trouble      | src, src_trouble: from where it was reached first    |
  // | path_to_trouble    | resource and trouble      | urns: from the service to it                         |
  // | shortest_path      | suspect                   | urns: the shorter of its paths                       |
  const suspects = sql<Suspect>`(
    with recursive ${oddCalls(scope, { range, baseline, thresholds: ofCalls })},
    ${reachedFrom(scope, { service, hops, range, thresholds: ofCalls })},
    ${departures(scope, { range, baseline, meanings, deviations })},
    ${accounts(scope, { trouble })},
    suspect as (
      select distinct on (resource_id) scored.*, reached.depth
      from scored_trouble as scored
      join reached_resource as reached using (resource_id)
      order by resource_id, score desc, trouble collate "C"
    ), evidence as (
      select resource_id, 'call' as kind, trouble, measure, expected, actual, src as caller, lost
      from incoming_odd_call
      union all
      select
        odd.resource_id, 'metric', kind_of_trouble.trouble, odd.metric, odd.expected, odd.actual, null,
        case when kind_of_trouble.trouble is not null then odd.lost end
      from odd_metric as odd
      left join kind_of_trouble on kind_of_trouble.trouble = odd.kind
    ), oddest_evidence as (
      select distinct on (suspect.resource_id) suspect.resource_id, evidence.measure, evidence.expected, evidence.actual, evidence.caller
      from suspect
      join evidence on evidence.resource_id = suspect.resource_id
      order by
        suspect.resource_id, evidence.trouble = suspect.trouble desc nulls last, evidence.kind collate "C",
        evidence.lost desc nulls last, evidence.measure collate "C", evidence.caller
    ), collected_evidence as (
      select
        evidence.resource_id,
        pg_catalog.jsonb_agg(
          pg_catalog.jsonb_build_object(
            'kind', evidence.kind, 'measure', evidence.measure, 'expected', evidence.expected, 'actual', evidence.actual,
            'src_urn', caller.urn, 'lost', evidence.lost
          )
          order by
            evidence.kind collate "C", evidence.lost desc nulls last, evidence.measure collate "C", caller.urn collate "C",
            evidence.actual desc
        ) as evidence
      from evidence
      left join ${resource} as caller on caller.tenant_id = ${scope.tenantId}::int8 and caller.resource_id = evidence.caller
      where evidence.resource_id in (select resource_id from suspect)
      group by evidence.resource_id
    ), previous_trouble as (
      -- For each pair of resource and trouble: latency may reach a resource earlier than the
      -- failures that continue from it.
      select distinct on (reached.resource_id, reached.trouble)
        reached.resource_id, reached.trouble, edge.src, before.trouble as src_trouble
      from reached_trouble as reached
      join followed_edge as edge on edge.dst = reached.resource_id
      join reached_trouble as before
        on before.resource_id = edge.src and before.depth = reached.depth - 1
        and (edge.trouble is null or edge.trouble = reached.trouble and edge.trouble = before.trouble)
      left join (
        select src, dst, max(share) as share
        from (select src, dst, lost / max(lost) over (partition by trouble) as share from incoming_odd_call) as call
        group by src, dst
      ) as call on call.src = edge.src and call.dst = edge.dst
      order by reached.resource_id, reached.trouble, call.share desc nulls last, edge.src, before.trouble = reached.trouble desc
    ), path_to_trouble (resource_id, trouble, urns) as (
      select resource_id, trouble, array[${service}::text] from reached_trouble where depth = 0
      union all
      select reached.resource_id, reached.trouble, pg_catalog.array_append(path.urns, resource.urn)
      from path_to_trouble as path
      join previous_trouble as reached on reached.src = path.resource_id and reached.src_trouble = path.trouble
      join ${resource} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = reached.resource_id
    ), shortest_path as (
      select distinct on (suspect.resource_id) suspect.resource_id, path.urns
      from suspect
      join path_to_trouble as path on path.resource_id = suspect.resource_id
      order by suspect.resource_id, pg_catalog.cardinality(path.urns), path.trouble = suspect.trouble desc
    )
    select
      suspect.resource_id,
      resource.urn,
      resource.urn as item,
      suspect.score,
      suspect.depth,
      shortest.urns as path,
      oddest.measure,
      oddest.expected,
      oddest.actual,
      caller.resource_id as src,
      caller.urn as src_urn,
      collected.evidence
    from suspect
    join shortest_path as shortest on shortest.resource_id = suspect.resource_id
    join oddest_evidence as oddest on oddest.resource_id = suspect.resource_id
    join collected_evidence as collected on collected.resource_id = suspect.resource_id
    join ${resource} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = suspect.resource_id
    join ${resource} as caller
      on caller.tenant_id = ${scope.tenantId}::int8 and caller.resource_id = coalesce(oddest.caller, suspect.resource_id)
    order by suspect.score desc, suspect.depth desc, resource.urn collate "C"
  )`
  return finished(scope, suspects, 'suspect')
}
