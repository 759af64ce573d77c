import { sql, type Expression, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { parse } from '../../schema/parse.ts'
import type { HeavyHitter, HeavyHittersJson } from './heavyHitters.ts'

/**
 * The items of a sketch that may be among the `k` heaviest, as rows of a lateral join: the same
 * rows as `HeavyHitters.top`, in the same order.
 *
 * | column | |
 * |---|---|
 * | `item` | |
 * | `min_count`, `max_count` | the interval that holds the true count |
 * | `certain` | whether it is among the `k` for all possible true counts |
 * | `complete` | whether no item of the `k` can be missing from the rows |
 *
 * A null sketch has no rows.
 *
 * @throws InvalidInputError if `k` is not a whole number from 1 to 2,147,483,647.
 * @example
 * db.selectFrom('visits')
 *   .innerJoinLateral(({ ref }) => heavyHittersTop(scope, ref('visits.clients'), 3).as('top'), (join) => join.onTrue())
 *   .select(['visits.bucket', 'top.item', 'top.min_count', 'top.certain'])
 *
 * // select ... from "visits" inner join lateral "public"."heavy_hitters_top"("visits"."clients", 3) as "top" on true
 */
export function heavyHittersTop(scope: Scope, sketch: Expression<HeavyHittersJson | null>, k: number): RawBuilder<HeavyHitter> {
  const count = parse(z.int().min(1).max(2_147_483_647), k, 'k')
  return sql`${scope.id('heavy_hitters_top')}(${sketch}, ${sql.lit(count)})`
}
