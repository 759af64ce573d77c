import { sql, type RawBuilder } from 'kysely'

/**
 * Units that are converted before values are compared or shown, and what they become. A counter's
 * unit has `/s`: seconds of CPU in a second are processors.
 */
const conversions: Readonly<Record<string, readonly [factor: number, unit: string]>> = {
  s: [1_000, 'ms'],
  us: [1e-3, 'ms'],
  ns: [1e-6, 'ms'],
  '%': [0.01, '1'],
  's/s': [1, '{cpu}'],
  'ms/s': [1e-3, '{cpu}'],
  'us/s': [1e-6, '{cpu}'],
  'ns/s': [1e-9, '{cpu}'],
}

const cases = (unit: RawBuilder<unknown>, of: (conversion: readonly [number, string]) => RawBuilder<unknown>) =>
  sql.join(
    Object.entries(conversions).map(([name, conversion]) => sql`when ${unit} = ${sql.lit(name)}::text then ${of(conversion)}`),
    sql` `,
  )

/** The factor from a unit to milliseconds, to a share, or to processors. */
export const unitFactor = (unit: RawBuilder<unknown>): RawBuilder<number> =>
  sql<number>`case ${cases(unit, ([factor]) => sql`${sql.lit(factor)}::float8`)} else 1::float8 end`

/** The unit of a value that was multiplied by `unitFactor`. */
export const convertedUnit = (unit: RawBuilder<unknown>): RawBuilder<string | null> =>
  sql<string | null>`case ${cases(unit, ([, converted]) => sql`${sql.lit(converted)}::text`)} else ${unit} end`
