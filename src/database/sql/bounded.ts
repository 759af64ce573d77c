/**
 * A column of float8 as sums, products and quotients take it: magnitudes below 1e-100 are 0, above
 * 1e100 infinite; null, NaN and infinities stay.
 *
 * PostgreSQL reports an overflow, and an underflow too, as an error, which takes the whole
 * statement with it, and with the statement everybody whose rows it was about. Within these bounds
 * no product with a count, no sum and no mean leaves the doubles, and infinities go through
 * arithmetic without an error.
 */
export const bounded = (column: string): string =>
  `case when abs(${column}) < '1e-100'::float8 then 0 when abs(${column}) > '1e100'::float8 then ${column} * 'Infinity'::float8 else ${column} end`

/**
 * The mean of a column of float8, each row weighing as much as an int8 column says; null where
 * nothing weighs. An aggregate that never raises.
 */
export const weightedMean = (column: string, weight: string): string =>
  `sum((${bounded(column)}) * ${weight}::float8) filter (where ${weight} > 0)
    / nullif(sum(${weight}) filter (where ${column} is not null), 0::numeric)::float8`

/** The sum of an aggregate over int8, as int8: the largest there is where it would be more. */
export const saturated = (sum: string): string => `least(${sum}, 9223372036854775807)`
