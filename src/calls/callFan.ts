import { sql } from 'kysely'
import { z } from 'zod'
import { finished, type Finished } from '../database/finished.ts'
import { timeRange, type TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
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
 * //   select "caller"."urn" as "urn", "caller"."resource_id" as "resource_id",
 * //     pg_catalog.count(distinct "callee"."resource_id")::float8 as "peer_count",
 * //     sum(call.call_count)::float8 as "call_count", ... as "rps", "caller"."urn" as "item",
 * //     pg_catalog.count(distinct "callee"."resource_id")::float8 as "score"
 * //   from "public"."service_call_5m" as "call" inner join ... where "call"."tenant_id" = $4 and
 * //     "call"."bucket" >= $5 and "call"."bucket" < $6
 * //   group by "caller"."resource_id" order by "score" desc, ("caller"."urn") collate "C"
 * // ) as "fan" where "peer_count" > $7
 */
export function callFan(scope: Scope, options: CallFanOptions): Finished<CallFanRow, 'fan'> {
  const { by, range } = parseOptions(callFanOptions, options)
  const peer = sql.ref(by === 'caller' ? 'callee.resource_id' : 'caller.resource_id')
  const peers = sql<number>`pg_catalog.count(distinct ${peer})::float8`
  const together = callRows(scope.id, { alias: 'call' })
  const fans = callsBetween(scope, { range })
    .groupBy(`${by}.resource_id`)
    .select([
      `${by}.urn as urn`,
      `${by}.resource_id as resource_id`,
      peers.as('peer_count'),
      together.callCount.as('call_count'),
      together.callsPerSecond(range).as('rps'),
      `${by}.urn as item`,
      peers.as('score'),
    ])
    .orderBy('score', 'desc')
    .orderBy(byBytes(`${by}.urn`))
  return finished(scope, fans, 'fan')
}
