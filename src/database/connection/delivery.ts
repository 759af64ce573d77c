import { sql, type RawBuilder } from 'kysely'
import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'

/** How a connection returns values that are known in advance. */
export interface Delivery {
  int8: unknown
  time: unknown
  float8: unknown
  hasNull: unknown
  ginLimit: unknown
}

/** The columns that show how a connection returns values, to add to the first query on it. */
export const deliveryColumns: RawBuilder<Delivery> = sql`
  9007199254740993::int8 as int8,
  '2001-02-03 04:05:06.789+00'::timestamptz as "time",
  '0.30000000000000004'::float8 as float8,
  ('{NULL}'::text[])[1] is null as "hasNull",
  pg_catalog.current_setting('gin_fuzzy_search_limit'::text) as "ginLimit"
`

const time = Date.UTC(2001, 1, 3, 4, 5, 6, 789)

/**
 * Refuses a connection that would return wrong answers silently. It is checked once, here.
 *
 * @throws InvalidInputError naming the setting or the parser, and what to set.
 */
export function assertDelivers({ int8, time: moment, float8, hasNull, ginLimit }: Delivery): void {
  const refuse = (problem: string): never => {
    throw new InvalidInputError('db', problem)
  }
  if (int8 !== '9007199254740993') {
    refuse(
      `this connection delivers int8 as ${typeof int8} (${preview(int8)}) where pgvantage needs strings: leave pg's default parser for type 20, or give PGlite { parsers: { 20: (text) => text } }`,
    )
  }
  if (!(moment instanceof Date) || moment.getTime() !== time) {
    refuse(
      `this connection delivers a timestamptz as ${preview(moment)} where pgvantage needs the Date ${new Date(time).toISOString()}: set DateStyle to ISO for its role, its database or itself (pg: { options: '-c datestyle=ISO' }), and leave the driver's parser for type 1184`,
    )
  }
  if (float8 !== 0.30000000000000004) {
    refuse(
      `this connection delivers a float8 as ${preview(float8)} where pgvantage needs the number 0.30000000000000004: set extra_float_digits to 1, the default, and leave the driver's parser for type 701`,
    )
  }
  if (hasNull !== true) refuse('this connection reads NULL in an array as a text: set array_nulls to on, the default')
  if (ginLimit !== '0') {
    refuse(`this connection leaves out rows that an index finds (gin_fuzzy_search_limit is ${preview(ginLimit)}): set it to 0, the default`)
  }
}
