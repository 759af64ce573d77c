import { sql, type RawBuilder } from 'kysely'

/** 1.96 standard errors: half the width of a two-sided 95 % interval. */
const width95 = sql<number>`1.96::float8`

/**
 * Wilson's score interval for a share observed in a number of trials, such as an error ratio in
 * calls. It runs from `(at - reach) / scale` to `(at + reach) / scale`. Null if `count` is null.
 *
 * Literature: Wilson, "Probable Inference, the Law of Succession, and Statistical Inference", 1927.
 *
 * @param width the half width in standard errors.
 */
export const wilson = (share: RawBuilder<unknown>, count: RawBuilder<unknown>, width: RawBuilder<unknown> = width95) => ({
  at: sql<number>`${share} + ${width} ^ 2::float8 / (2::float8 * ${count})`,
  reach: sql<number>`${width} * sqrt(
              ${share} * (1::float8 - ${share}) / ${count} + ${width} ^ 2::float8 / (4::float8 * ${count} ^ 2::float8)
            )`,
  scale: sql<number>`1::float8 + ${width} ^ 2::float8 / ${count}`,
})

/** One end of the 95 % interval. */
export function wilsonEnd(end: '-' | '+', share: RawBuilder<number>, count: RawBuilder<number>): RawBuilder<number> {
  const { at, reach, scale } = wilson(share, count)
  return sql`(${at} ${sql.raw(end)} ${reach}) / (${scale})`
}
