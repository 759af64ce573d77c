import { sql } from 'kysely'
import { z } from 'zod'
import { comparedWindows, refuseOverlap } from '../database/comparedWindows.ts'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { resourceAt, rowOf } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { accounts } from './accounts.ts'
import { chance } from './certainty.ts'
import { changedResources, searchedFrom } from './changedResources.ts'
import { askedOf, patternChanges, shapeChanges } from './changes.ts'
import { departures } from './departures.ts'
import { givenMeanings, meaningOfMetrics, type MeaningOfMetric } from './metricMeanings.ts'
import { oddCalls, oddityThresholds, type OddityThresholds, type OddityWindows } from './oddCalls.ts'
import { reachedFrom } from './reachedFrom.ts'
import { silentResources } from './silentResources.ts'

export interface SuspectThresholds extends OddityThresholds {
  /**
   * A metric has left its normal range if it is more than this many deviations above its median.
   * Default: 2.5.
   */
  deviations?: number
  /**
   * Up to this number of standard errors a difference may be chance: it counts for what it has
   * more. Default: 2.
   */
  standardErrors?: number
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
  /**
   * | | |
   * |---|---|
   * | `'call'` | what a caller saw of its calls |
   * | `'metric'` | a metric of the suspect itself |
   * | `'pattern'` | an error that it logs more often, or anything else that it logs less often, for the requests that it gets |
   * | `'shape'` | a resource that it calls less often, for the requests that it gets |
   * | `'silence'` | it is not measured or called any more, and logs nothing |
   */
  kind: 'call' | 'metric' | 'pattern' | 'shape' | 'silence'
  /**
   * For calls `p95_ms` (milliseconds) or `err_rate` (0..1); for a metric its name; for a pattern
   * `count_error` or `count_total`; for a shape `call_count`; for silence `metric_minutes`, the
   * minutes in which it was measured.
   */
  measure: string
  /**
   * The value in the baseline; for a metric its median, for counts what the baseline makes expected
   * in the range. An availability is given as 1 minus its value.
   */
  expected: number
  /** The value in the range; for a metric its mean. */
  actual: number
  /**
   * The unit of both, as OpenTelemetry names it: `ms` for times, `1` for ratios (0..1), `{record}`
   * and `{call}` for counts, else the metric's own (see {@link MetricOddity}). Null if it has none.
   */
  unit: string | null
  /** URN of the caller; null for all but calls. */
  src_urn: string | null
  /** URN of the resource that is called less often; null for all but shapes. */
  dst_urn: string | null
  /** The log pattern; null for all but patterns. */
  pattern: string | null
  /**
   * The total cost over the range: milliseconds waited, or requests that failed or went another
   * way; null for CPU, saturation and silence.
   */
  lost: number | null
}

/** A resource that may be the cause, with the evidence. */
export interface Suspect {
  resource_id: string
  urn: string
  /** Equal to `urn`: suspects are a ranking frame. */
  item: string
  /** How much of the trouble arises in the resource itself, 0..1. */
  score: number
  /**
   * Calls and dependencies between the service and the suspect; 0 is the service itself. Null if
   * nothing says who depends on whom.
   */
  depth: number | null
  /** URNs from the service to the suspect; the suspect's alone if nothing says who depends on whom. */
  path: string[]
  /** The oddest thing about it, as in `evidence`. */
  measure: string
  /** The measure in the baseline. */
  expected: number
  /** The measure in the range. */
  actual: number
  /** The unit of both; null if it has none. */
  unit: string | null
  /**
   * `resource_id` of the observer: the caller whose calls lost most, or the suspect itself if the
   * measure is its own.
   */
  src: string
  src_urn: string
  /** All that is odd about it: calls, metrics, patterns, shapes, silence; each by cost or share. */
  evidence: SuspectEvidence[]
}

const rankSuspectsOptions = z
  .strictObject({
    ...comparedWindows,
    service: urnText,
    trouble: z.enum(['latency', 'errors']).optional(),
    meanings: givenMeanings.default([]),
    hops: z.int().min(1).max(32).default(8),
    thresholds: oddityThresholds
      .extend({ deviations: z.number().min(0).default(2.5), standardErrors: z.number().min(0).max(100).default(chance) })
      .prefault({}),
  })
  .superRefine(refuseOverlap)

/**
 * The resources that may cause a service's trouble, the most likely first, with the evidence:
 * calls, metrics, log patterns and the shape of calls, as far as each is there.
 *
 * 1. **What is lost.** From the service, the search follows odd calls (see {@link callOddities}),
 *    calls that may be odd but are too few to know, and edges of the topology without measured calls.
 *    `lost` is what a resource costs more than in the baseline: milliseconds waited for its answers,
 *    or requests failed. Its own part is that minus what is lost at its dependencies, as a share of
 *    the most that is lost anywhere. Latency and errors are accounted for separately; one failed
 *    request in twenty weighs as much as answers of the service that take a tenth longer.
 * 2. **What is done differently.** Of everything that the service depends on: the share of its own
 *    requests for which a resource logs an error that it did not log before, no longer logs what it
 *    did, or calls others less often (see {@link patternOddities},
 *    {@link callShapeOddities}), and the share of its CPU or memory that is new (see
 *    {@link metricOddities}). What happens at a resource that it calls is taken off, so that the
 *    deepest one counts, and not who logs its failure.
 * 3. **Chance is taken off.** A difference of `z` standard errors counts 1 - (2 / z)², and nothing
 *    below two (`standardErrors`): a handful of calls is neither believed nor silenced.
 * 4. `score` is 1 - (1 - share of 1) (1 - share of 2).
 *
 * | a resource | |
 * |---|---|
 * | whose CPU is saturated | what its calls to others lose is its own loss, unless their CPU is saturated too: it reads answers late |
 * | that is not saturated but runs on a saturated one | passes its loss to that one, if that one has no answers to measure (a host, a disk) |
 * | whose trouble may follow from the other kind below it | counts down to half: retries and timeouts turn failures into waiting and back. So does trouble of the other kind if `trouble` is given |
 * | that is neither measured nor called any more, and logs nothing | has gone: what its callers lose is its loss |
 * | that is a new dependency | has no baseline: its failures count half, and do not excuse its new caller |
 *
 * If nothing says who depends on whom, all resources of the tenant are looked at: what is lost is
 * then unknown, and latency and silence count half. Of equal scores the deeper resource comes
 * first, then the URN decides. In normal times there are no rows, or rows with small scores.
 *
 * Limits: docs/incident.md. Percentiles of calls are within 1.083 %. Calls and patterns are of
 * whole 5-minute buckets, metrics of minutes.
 *
 * Literature: the anomalous part of the dependency graph, Chen, Qi, Zheng, Hou, "CauseInfer"
 * (INFOCOM 2014); self time, Graham, Kessler, McKusick, "gprof: a call graph execution profiler"
 * (1982); logs and traces as events of one kind, Yu et al., "Nezha" (FSE 2023); shrinkage, James,
 * Stein, "Estimation with quadratic loss" (1961).
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
  const { deviations, standardErrors, ...ofCalls } = thresholds
  const meanings = meaningOfMetrics(given)
  const resource = scope.id('dim_resource')
  // Each of the parts has a table of its common table expressions. Those that follow:
  //
  // | name               | one row per               | columns                                              |
  // |--------------------|---------------------------|------------------------------------------------------|
  // | suspect            | resource in trouble       | score; the trouble that has most of it; is_change: it does more differently than is lost; depth |
  // | evidence           | odd call, metric, pattern, shape | kind, trouble, measure, expected, actual, caller, callee, lost, share |
  // | oddest_evidence    | suspect                   | measure, expected, actual, unit, caller of what is oddest |
  // | collected_evidence | suspect                   | evidence: all of it, a JSON array                    |
  // | previous_trouble   | resource and trouble      | src, src_trouble: from where it was reached first    |
  // | path_to_trouble    | resource and trouble      | urns: from the service to it                         |
  // | shortest_path      | suspect                   | urns: the shorter of its paths                       |
  const suspects = sql<Suspect>`(
    with recursive ${oddCalls(scope, { range, baseline, thresholds: ofCalls, standardErrors })},
    ${reachedFrom(scope, { service, hops, range, thresholds: ofCalls })},
    ${askedOf(scope, { range, baseline })},
    ${searchedFrom(scope, { service, hops })},
    ${departures(scope, { range, baseline, meanings, deviations, standardErrors, among: 'searched_resource' })},
    compared_metric as (
      select * from measured_metric where resource_id in (select resource_id from reached_resource)
    ), odd_metric as (
      select * from departed_metric where resource_id in (select resource_id from reached_resource)
    ),
    ${patternChanges(scope, { range, baseline }, standardErrors)},
    ${shapeChanges(standardErrors)},
    ${silentResources({ range, baseline }, standardErrors)},
    ${accounts(scope, { trouble })},
    ${changedResources(scope)},
    suspect as (
      select
        resource_id,
        round((1::float8 - (1::float8 - coalesce(lost.likely, 0::float8)) * (1::float8 - coalesce(change.share, 0::float8)))::numeric, 9)::float8 as score,
        lost.trouble, coalesce(change.share, 0::float8) > coalesce(lost.likely, 0::float8) as is_change,
        coalesce(reached.depth, walked.depth) as depth
      from (
        select distinct on (resource_id) resource_id, trouble, likely
        from scored_trouble
        -- What a loss is made of is unknown if nothing says who depends on whom.
        where not (select is_so from no_graph)
        order by resource_id, likely desc, trouble collate "C"
      ) as lost
      full join (select resource_id, share from own_change where share > 0::float8) as change using (resource_id)
      left join reached_resource as reached using (resource_id)
      left join met as walked on walked.id = resource_id
    ), evidence as (
      select
        resource_id, 'call' as kind, trouble, measure, expected, actual,
        case measure when 'p95_ms' then 'ms' else '1' end as unit, src as caller, null::int8 as callee, null::int8 as fingerprint_id,
        lost, 0::float8 as share
      from incoming_odd_call
      union all
      select
        odd.resource_id, 'metric', kind_of_trouble.trouble, odd.metric, odd.expected, odd.actual, odd.unit, null, null, null,
        case when kind_of_trouble.trouble is not null then odd.lost end, odd.share
      from departed_metric as odd
      left join kind_of_trouble on kind_of_trouble.trouble = odd.kind
      union all
      select resource_id, 'pattern', null, measure, expected, actual, '{record}', null, null, fingerprint_id, least(requests, abs(actual - expected)), share
      from pattern_change
      union all
      select src, 'shape', null, 'call_count', expected, actual, '{call}', null, dst, null, least(requests, abs(actual - expected)), share
      from shape_change
      where actual < expected
      union all
      select resource_id, 'silence', null, 'metric_minutes', expected, 0::float8, 'min', null, null, null, null, share
      from silent_resource
    ), oddest_evidence as (
      select distinct on (suspect.resource_id) suspect.resource_id, evidence.measure, evidence.expected, evidence.actual, evidence.unit, evidence.caller
      from suspect
      join evidence on evidence.resource_id = suspect.resource_id
      order by
        suspect.resource_id, case when suspect.is_change then evidence.share end desc nulls last,
        evidence.trouble = suspect.trouble desc nulls last, evidence.kind collate "C",
        evidence.lost desc nulls last, evidence.measure collate "C", evidence.caller
    ), collected_evidence as (
      select
        evidence.resource_id,
        pg_catalog.jsonb_agg(
          pg_catalog.jsonb_build_object(
            'kind', evidence.kind, 'measure', evidence.measure, 'expected', evidence.expected, 'actual', evidence.actual,
            'unit', evidence.unit, 'src_urn', caller.urn, 'dst_urn', callee.urn, 'pattern', known.pattern, 'lost', evidence.lost
          )
          order by
            evidence.kind collate "C", case when evidence.kind in ('pattern', 'shape') then evidence.share end desc nulls last,
            evidence.lost desc nulls last, evidence.measure collate "C", caller.urn collate "C", callee.urn collate "C",
            evidence.actual desc, known.pattern collate "C"
        ) as evidence
      from evidence
      left join ${resource} as caller on caller.tenant_id = ${scope.tenantId}::int8 and caller.resource_id = evidence.caller
      left join lateral ${resourceAt(scope, 'evidence.callee')} as callee on true
      left join lateral ${rowOf(scope, 'log_pattern', 'fingerprint_id', 'evidence.fingerprint_id')} as known on true
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
      order by suspect.resource_id, pg_catalog.cardinality(path.urns), path.trouble = suspect.trouble desc nulls last
    )
    select
      suspect.resource_id,
      resource.urn,
      resource.urn as item,
      suspect.score,
      suspect.depth,
      coalesce(shortest.urns, changed.urns, array[resource.urn]) as path,
      oddest.measure,
      oddest.expected,
      oddest.actual,
      oddest.unit,
      caller.resource_id as src,
      caller.urn as src_urn,
      collected.evidence
    from suspect
    left join shortest_path as shortest on shortest.resource_id = suspect.resource_id
    left join path_to_change as changed on changed.resource_id = suspect.resource_id
    join oddest_evidence as oddest on oddest.resource_id = suspect.resource_id
    join collected_evidence as collected on collected.resource_id = suspect.resource_id
    join ${resource} as resource on resource.tenant_id = ${scope.tenantId}::int8 and resource.resource_id = suspect.resource_id
    join ${resource} as caller
      on caller.tenant_id = ${scope.tenantId}::int8 and caller.resource_id = coalesce(oddest.caller, suspect.resource_id)
    order by suspect.score desc, suspect.depth desc nulls last, resource.urn collate "C"
  )`
  return finished(scope, suspects, 'suspect')
}
