import { sql } from 'kysely'

/**
 * An aggregate over the columns `residual` and `residual_before`: their lag-1 autocorrelation, 0 to 0.99. Below 0 it is taken for 0, as it would make of n
 * points more than n; and so it is below 0.001, where the quotient could be an underflow, which PostgreSQL reports as an error.
 */
export const likeness = sql<number>`case
  when sum(residual * residual_before) > 1e-3::float8 * sum(residual * residual)
  then least(0.99, sum(residual * residual_before) / sum(residual * residual))
  else 0
end`
