import { sql, type Expression, type RawBuilder } from 'kysely'
import { z } from 'zod'
import type { Scope } from '../../database/scope.ts'
import { parseOptions } from '../../schema/parse.ts'
import { capacityOption, defaultCapacity, type HeavyHittersJson, type HeavyHittersOptions } from './heavyHitters.ts'

const heavyHittersMergeOptions = z.strictObject({ capacity: capacityOption })

/**
 * Merges the sketches of several rows: an aggregate, for a select with or without `group by`. The
 * result equals `HeavyHitters.merge` to the byte.
 *
 * Null if no row has a sketch. All sketches of a group are in memory together, about 8 kB each: use
 * the coarsest rollup that fits the range. An invalid sketch is an error, and so is a total weight
 * above 2^53 - 1.
 *
 * @throws InvalidInputError if `capacity` is not a whole number from 1 to 65,536.
 * @example
 * const day = db.selectFrom('visits').select(({ ref }) => heavyHittersMerge(scope, ref('clients')).as('clients'))
 *
 * // select "public"."heavy_hitters_merge"("clients") as "clients" from "visits"
 * // with { capacity: 64 }: "public"."heavy_hitters_merge_all"(array_agg("clients"), 64)
 */
export function heavyHittersMerge(
  scope: Scope,
  sketch: Expression<HeavyHittersJson | null>,
  options: HeavyHittersOptions = {},
): RawBuilder<HeavyHittersJson | null> {
  const { capacity } = parseOptions(heavyHittersMergeOptions, options)
  if (capacity === defaultCapacity) return sql`${scope.id('heavy_hitters_merge')}(${sketch})`
  // A literal, because PostgreSQL evaluates equal aggregates only once if they contain no
  // parameter.
  return sql`${scope.id('heavy_hitters_merge_all')}(pg_catalog.array_agg(${sketch}), ${sql.lit(capacity)})`
}
