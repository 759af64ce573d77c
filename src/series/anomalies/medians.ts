import { sql, type Expression, type RawBuilder } from 'kysely'
import { decimalFraction } from '../../schema/decimal.ts'

/** For a lateral join: the median of an array of numbers, as `middle.expected`. */
export const middleOf = (values: Expression<number[] | null>) =>
  sql<{ expected: number }>`(
    select pg_catalog.percentile_cont(0.5::float8) within group (order by value) as expected from pg_catalog.unnest(${values}) as value
  )`.as('middle')

/**
 * For a lateral join beside {@link middleOf}: the median absolute deviation of the array, as
 * `around.deviation`.
 */
export const deviationOf = (values: Expression<number[] | null>) =>
  sql<{ deviation: number }>`(
    select pg_catalog.percentile_cont(0.5::float8) within group (order by abs(value - middle.expected)) as deviation from pg_catalog.unnest(${values}) as value
  )`.as('around')

/**
 * The spread: the usual distance from the median, but at least a share of it (exactly the decimal
 * that was typed), and at least `minSpread`.
 */
export function spreadOf(
  expected: Expression<number>,
  deviation: Expression<number>,
  { floor, minSpread }: { floor: number; minSpread: number },
): RawBuilder<number> {
  const { numerator, denominator } = decimalFraction(floor)
  const least = sql`abs(${expected}) * ${numerator}::float8 / ${denominator}::float8`
  return sql<number>`greatest(1.4826::float8 * ${deviation}, ${least}, ${minSpread}::float8)`
}
