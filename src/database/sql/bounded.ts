/**
 * A float8 column for sums, products and quotients: magnitudes below 1e-100 become 0, above 1e100
 * infinite; null, NaN and infinities stay.
 *
 * PostgreSQL raises an error for an overflow or an underflow, which fails the whole statement, for
 * all its rows. Within these bounds no product with a count, no sum and no mean overflows, and
 * arithmetic with infinities raises no error.
 */
export const bounded = (column: string): string =>
  `case when abs(${column}) < '1e-100'::float8 then 0 when abs(${column}) > '1e100'::float8 then ${column} * 'Infinity'::float8 else ${column} end`

/**
 * The mean of a float8 column, weighted by an int8 column; null if the weights are zero. It never
 * raises an error.
 */
export const weightedMean = (column: string, weight: string): string =>
  `sum((${bounded(column)}) * ${weight}::float8) filter (where ${weight} > 0)
    / nullif(sum(${weight}) filter (where ${column} is not null), 0::numeric)::float8`

/** The sum of an aggregate over int8, as int8; at most the largest int8. */
export const saturated = (sum: string): string => `least(${sum}, 9223372036854775807)`
