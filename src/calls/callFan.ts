import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { resourceAt } from '../database/sql/ofTenant.ts'
import { parseOptions } from '../schema/parse.ts'
import { callRows } from './callRows.ts'
import { callsBetween } from './callsBetween.ts'

export interface CallFanOptions {
  /**
   * `'caller'`: each row is a caller, and the resources it calls are counted (fan-out). `'callee'`:
   * each row is a callee, and its callers are counted (fan-in).
   */
  by: 'caller' | 'callee'
  /** Buckets that begin in it count. */
  range: TimeRange
}

/** How many resources one resource calls, or is called by. */
export interface CallFanRow {
  /** URN of the caller or callee. */
  urn: string
  resource_id: string
  /** The number of distinct resources that it calls or is called by. */
  peer_count: number
  /** The number of calls to or from these. */
  call_count: number
  /** Calls per second, over the length of the range. */
  rps: number
  /** Equal to `urn`. */
  item: string
  /** Equal to `peer_count`. */
  score: number
}

const callFanOptions = z.strictObject({ by: z.enum(['caller', 'callee']), range: timeRange })

/**
 * How many resources each resource calls (fan-out), or is called by (fan-in): a ranking frame with
 * one row for each resource, the highest count first.
 *
 * | | |
 * |---|---|
 * | counts | exact |
 * | a peer | counts once, whatever the number of calls, even if its buckets in the range count no calls |
 * | a resource that calls itself | is a peer of its own |
 * | `urn:external:client`, `urn:external:unknown` | are resources like all others: each has a row and is one peer, however many clients are behind it |
 * | order | `score` descending, then `urn` by its bytes, as in `topK` |
 * | absent | a resource that calls no other in the range, or is not called |
 *
 * @throws InvalidInputError if `by` or the range is invalid; names the field.
 * @example
 * const hubs = topK(scope, callFan(scope, { by: 'callee', range: last('1 day') }), 5)
 * const chatty = callFan(scope, { by: 'caller', range: last('1 day') }).where('peer_count', '>', 20)
 *
 * // select "fan".* from (
 * //   select "resource"."urn" as "urn", "call"."resource_id", "call"."peer_count", ...
 * //   from (
 * //     select "call"."src_resource_id" as "resource_id", pg_catalog.count(distinct
 * //       "call"."dst_resource_id")::float8 as "peer_count", sum(call.call_count)::float8 as
 * //       "call_count", ... as "rps"
 * //     from "public"."service_call_5m" as "call" where "call"."tenant_id" = $2 and ...
 * //     group by "call"."src_resource_id"
 * //   ) as "call" inner join lateral (...) as "resource" on true
 * //   order by "score" desc, ("resource"."urn") collate "C"
 * // ) as "fan" where "peer_count" > $6
 */
export function callFan(scope: Scope, options: CallFanOptions): Finished<CallFanRow, 'fan'> {
  const { by, range } = parseOptions(callFanOptions, options)
  const [own, peer] = by === 'caller' ? (['src', 'dst'] as const) : (['dst', 'src'] as const)
  const together = callRows(scope.id, { alias: 'call' })
  const added = callsBetween(scope, { range })
    .groupBy(`call.${own}_resource_id`)
    .select([
      `call.${own}_resource_id as resource_id`,
      sql<number>`pg_catalog.count(distinct ${sql.ref(`call.${peer}_resource_id`)})::float8`.as('peer_count'),
      together.callCount.as('call_count'),
      together.callsPerSecond(range).as('rps'),
    ])
  const fans = scope.db
    .selectFrom(added.as('call'))
    .innerJoinLateral(resourceAt(scope, 'call.resource_id').as('resource'), (join) => join.onTrue())
    .select(['resource.urn as urn', 'call.resource_id', 'call.peer_count', 'call.call_count', 'call.rps'])
    .select(['resource.urn as item', 'call.peer_count as score'])
    .orderBy('score', 'desc')
    .orderBy(byBytes('resource.urn'))
  return finished(scope, fans, 'fan')
}
