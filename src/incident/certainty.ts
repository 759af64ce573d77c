import { sql, type RawBuilder } from 'kysely'

/** This number of standard errors may be chance, unless the caller says otherwise. */
export const chance = 2

/**
 * The share of a difference that is left when chance is taken off, 0..1: 1 - (t / z)² for a
 * difference of `z` standard errors, and 0 below `t`.
 *
 * A difference of a few records or calls is neither believed nor silenced: it counts for less. This
 * is the positive part of the James-Stein estimator (Efron, Morris, "Stein's estimation rule and
 * its competitors", Journal of the American Statistical Association 68, 1973).
 */
export const certainty = (z: RawBuilder<unknown>, t: number = chance): RawBuilder<number> =>
  sql<number>`coalesce(greatest(0::float8, 1::float8 - ${sql.lit(t * t)}::float8 / nullif((${z}) * (${z}), 0::float8)), 0::float8)`

/**
 * How many standard errors a count is above what a baseline makes expected; negative if it is
 * below.
 *
 * The difference of square roots has the same variance for any count, so it is right for a handful
 * (Anscombe, "The transformation of Poisson, binomial and negative-binomial data", Biometrika 35,
 * 1948).
 *
 * @param actual the count.
 * @param expected the baseline's count times `ratio`.
 * @param ratio how much was to be counted in the range for each in the baseline.
 * @param dispersion how much more than by chance the baseline's own counts vary, 1 or more.
 */
export const standardErrors = ({
  actual,
  expected,
  ratio,
  dispersion = sql`1::float8`,
}: Record<'actual' | 'expected' | 'ratio', RawBuilder<unknown>> & { dispersion?: RawBuilder<unknown> | undefined }): RawBuilder<number> =>
  sql<number>`2::float8 * (sqrt(${actual} + 0.375::float8) - sqrt(${expected} + 0.375::float8)) / sqrt(${dispersion} * (1::float8 + ${ratio}))`
