import { sql } from 'kysely'
import { finished, type Finished } from '../database/finished.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'
import { parseOptions } from '../schema/parse.ts'
import { askedOf, shapeChanges } from './changes.ts'
import { doingOddityOptions, type DoingOddityOptions } from './patternOddities.ts'

/** A resource that another calls more or less often, for the requests that come in. */
export interface CallShapeOddity {
  /** `resource_id` of the caller. */
  src: string
  /** `resource_id` of the callee. */
  dst: string
  src_urn: string
  dst_urn: string
  /** The calls that the baseline makes expected for the requests of the range. */
  expected: number
  /** The calls in the range. */
  actual: number
  /** The share of the caller's requests that go another way, less what may be chance, 0..1. */
  share: number
  /** How many standard errors `actual` is away from `expected`. */
  score: number
}

/**
 * The resources that a caller calls more or less often than before, for each request that comes in:
 * one row for each caller and callee, the greatest share first. A callee that is no longer called,
 * or ten times as often, says where control went another way.
 *
 * | | |
 * |---|---|
 * | expected | the calls of the baseline, times the requests of the caller in the range over those in the baseline |
 * | a new edge | is expected 0 times; one that vanished has 0 calls |
 * | a caller that is itself not called in one of the windows | is absent: the number of its requests is unknown |
 * | `score`, `share` | as in {@link patternOddities} |
 * | read from | `service_call_5m`: whole 5-minute buckets; calls of a resource to itself do not count |
 * | order | `share` descending, then `src_urn` and `dst_urn` by their bytes |
 *
 * @throws InvalidInputError if a window runs backwards or the two overlap; names the field.
 * @example
 * const odd = callShapeOddities(scope, { range: last('20 minutes'), baseline: { from: anHourAgo, to: twentyMinutesAgo } })
 * await odd.where('actual', '=', 0).execute()
 *
 * // select "oddity".* from (
 * //   select "odd"."src", "odd"."dst", "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn", ...
 * //   from (with counted_call as (...), ..., shape_change as (...) select ... from shape_change) as "odd"
 * //   inner join lateral (...) as "caller" on true inner join lateral (...) as "callee" on true
 * //   order by "odd"."share" desc, ...
 * // ) as "oddity" where "actual" = $15
 */
export function callShapeOddities(scope: Scope, options: DoingOddityOptions): Finished<CallShapeOddity, 'oddity'> {
  const windows = parseOptions(doingOddityOptions, options)
  const odd = sql<Omit<CallShapeOddity, 'src_urn' | 'dst_urn'>>`(
    with ${askedOf(scope, windows)}, ${shapeChanges()}
    select src, dst, expected, actual, share, abs(z) as score from shape_change
  )`
  const oddities = edgesBetween(scope, odd, 'odd', { src: 'src', dst: 'dst' })
    .select(['odd.src', 'odd.dst', 'caller.urn as src_urn', 'callee.urn as dst_urn'])
    .select(['odd.expected', 'odd.actual', 'odd.share', 'odd.score'])
    .orderBy('odd.share', 'desc')
    .orderBy(byBytes('caller.urn'))
    .orderBy(byBytes('callee.urn'))
  return finished(scope, oddities, 'oddity')
}
