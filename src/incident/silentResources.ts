import { sql, type RawBuilder } from 'kysely'
import { secondsOf } from '../database/range.ts'
import { certainty, standardErrors } from './certainty.ts'
import type { ComparedWindows } from './changes.ts'

/**
 * The common table expression, after those of `searchedFrom`, `departures` and `patternChanges`,
 * for resources that have gone: `silent_resource`, one row for each searched resource that had
 * metrics of CPU or saturation in the baseline, and in the range has none at all, logs nothing, is
 * not called and calls nobody, while others are measured.
 *
 * | column | |
 * |---|---|
 * | `expected` | the minutes with metrics that the baseline makes expected |
 * | `share` | what is not chance of their absence, 0..1 |
 *
 * A resource without metrics may be silent because nobody asks it for anything.
 */
export function silentResources({ range, baseline }: ComparedWindows, mayBeChance?: number): RawBuilder<unknown> {
  const ratio = sql`${secondsOf(range) / secondsOf(baseline)}::float8`
  return sql`silent_resource as materialized (
      select
        resource_id, expected,
        ${certainty(standardErrors({ actual: sql`0::float8`, expected: sql`expected`, ratio }), mayBeChance)} as share
      from (
        -- Latencies and errors are measured of requests, so they end when the requests end.
        select resource_id, max(buckets_before) filter (where kind in ('cpu', 'saturation'))::float8 * ${ratio} as expected
        from known_metric
        group by resource_id
        having coalesce(sum(samples), 0::float8) = 0::float8
      ) as unmeasured
      where resource_id in (select resource_id from searched_resource)
        and (resource_id in (
          select resource_id from asked where calls > 0::float8
          union all
          select src from counted_call where is_now and calls > 0::float8
          union all
          select resource_id from logged where now > 0::float8
        )) is not true
        and exists (select from measured_metric)
    )`
}
