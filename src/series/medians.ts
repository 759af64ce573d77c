import { sql, type Expression } from 'kysely'

/** For a lateral join: the median of an array of numbers, as `middle.expected`. */
export const middleOf = (values: Expression<number[] | null>) =>
  sql<{ expected: number }>`(
    select percentile_cont(0.5) within group (order by value) as expected from unnest(${values}) as value
  )`.as('middle')

/** For a lateral join beside {@link middleOf}: the median of the array's absolute deviations from its median, as `around.deviation`. */
export const deviationOf = (values: Expression<number[] | null>) =>
  sql<{ deviation: number }>`(
    select percentile_cont(0.5) within group (order by abs(value - "middle"."expected")) as deviation from unnest(${values}) as value
  )`.as('around')
