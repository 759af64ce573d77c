import { sql, type RawBuilder } from 'kysely'
import { z } from 'zod'
import { inAnyOrder } from '../database/sql/inAnyOrder.ts'
import type { Scope } from '../database/scope.ts'
import type { EdgeFrame } from './edgeFrame.ts'
import { isPlainFrame } from './plainFrame.ts'

/** `out` follows the edges, `in` goes against them, `both` ignores their direction. */
export type WalkDirection = 'out' | 'in' | 'both'

export const walkDirection = z.enum(['out', 'in', 'both'])

/**
 * The members of a `with recursive` that a walk reads its edges from: `frame`, the frame itself,
 * and `edge (src, dst, length)`, turned so that the walk leads from `src` to `dst`.
 *
 * The planner inlines both members of a plain frame: each level of a walk then asks the table for
 * the edges of its vertices, by an index if there is one. Any other frame is computed once. Its
 * edges pass through an installed function that only tells the planner that there are many: on its
 * own guess of a few dozen the planner would compare each vertex with each edge.
 *
 * @param length the length of an edge, over the columns of `frame`; null if the walk counts hops.
 */
export function walkedEdges(
  scope: Scope,
  edges: EdgeFrame,
  direction: WalkDirection,
  length: RawBuilder<unknown> = sql`null`,
): RawBuilder<unknown> {
  const frame = inAnyOrder(edges)
  const out = sql`select frame.src, frame.dst, ${length}::float8 from frame`
  const back = sql`select frame.dst, frame.src, ${length}::float8 from frame`
  if (isPlainFrame(edges)) {
    const ends = { out, in: back, both: sql`${out} union all ${back}` }[direction]
    return sql`frame as not materialized ${frame}, edge (src, dst, length) as not materialized (${ends})`
  }
  // The frame is named once, so that only what is walked is computed: percentiles cost more than a
  // walk.
  const both = sql`
    select ends.* from frame
    cross join lateral (values (frame.src, frame.dst, ${length}::float8), (frame.dst, frame.src, ${length}::float8)) as ends
  `
  return sql`
    frame as ${frame},
    edge (src, dst, length) as materialized (
      select walked.*
      from (
        select pg_catalog.array_agg(ends.src) as src, pg_catalog.array_agg(ends.dst) as dst, pg_catalog.array_agg(ends.length) as length
        from (${{ out, in: back, both }[direction]}) as ends (src, dst, length)
      ) as given
      cross join lateral ${scope.id('graph_walk_edges')}(given.src, given.dst, given.length) as walked
    )
  `
}
