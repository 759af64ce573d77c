import type { OrderByItemBuilder } from 'kysely'

/**
 * The highest first, nulls last.
 *
 * @example
 * .orderBy('p95_ms', descNullsLast)
 * // order by "p95_ms" desc nulls last
 */
export const descNullsLast = (order: OrderByItemBuilder): OrderByItemBuilder => order.desc().nullsLast()
