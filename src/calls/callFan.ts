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
   * What a row stands for: `'caller'`, and counted is whom it calls (fan-out), or `'callee'`, and
   * counted is who calls it (fan-in).
   */
  by: 'caller' | 'callee'
  /** Buckets that begin in it count. */
  range: TimeRange
}

/** How many others one resource calls, or is called by. */
export interface CallFanRow {
  /** URN of the caller, or callee, that the row stands for. */
  urn: string
  resource_id: string
  /** How many different resources it calls, or is called by. */
  peer_count: number
  /** All its calls to, or from, these. */
  call_count: number
  /** Calls per second of the range's length. */
  rps: number
  /** The URN. */
  item: string
  /** `peer_count`. */
  score: number
}

const callFanOptions = z.strictObject({ by: z.enum(['caller', 'callee']), range: timeRange })

/**
 * Who calls how many others (fan-out), or is called by how many (fan-in): a ranking frame of one
 * row a resource, the most first.
 *
 * | | |
 * |---|---|
 * | counts | exact |
 * | a peer | counts once, however often it is called; also where its buckets in the range count no calls |
 * | who calls itself | is a peer of its own |
 * | `urn:external:client`, `urn:external:unknown` | are resources like all others: each has a row and is one peer, however many clients it stands for |
 * | order | `score` descending, then `urn` by its bytes: that of `topK` |
 * | absent | who calls nobody in the range, or is called by nobody |
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
