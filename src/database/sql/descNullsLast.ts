import type { OrderByItemBuilder } from 'kysely'

/**
 * The highest first, and what is not known last.
 *
 * @example
 * .orderBy('p95_ms', descNullsLast)
 * // order by "p95_ms" desc nulls last
 */
export const descNullsLast = (order: OrderByItemBuilder): OrderByItemBuilder => order.desc().nullsLast()
