import { callsDuring } from '../calls/callsDuring.ts'
import type { TimeRange } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import { byBytes } from '../database/sql/byBytes.ts'
import { edgesBetween } from '../graph/edgesBetween.ts'

/**
 * The calls of a range, each beside what it was before, with names in the place of ids, as pictures
 * take them: one statement made of three frames.
 *
 * @param leastCalls with fewer calls an edge is absent.
 */
export function callsAgainstNormal(scope: Scope, { range, baseline }: Record<'range' | 'baseline', TimeRange>, leastCalls = 1) {
  const now = callsDuring(scope, { range }).where('call_count', '>=', leastCalls)
  const before = callsDuring(scope, { range: baseline })
  return edgesBetween(scope, now, 'now', { src: 'src', dst: 'dst' })
    .leftJoin(before.as('before'), (join) => join.onRef('before.src', '=', 'now.src').onRef('before.dst', '=', 'now.dst'))
    .select([
      'caller.urn as src_urn',
      'callee.urn as dst_urn',
      'now.weight',
      'now.err_rate',
      'now.p95_ms',
      'before.p95_ms as normal_p95_ms',
      'before.err_rate as normal_err_rate',
    ])
    .orderBy(byBytes('caller.urn'))
    .orderBy(byBytes('callee.urn'))
}
