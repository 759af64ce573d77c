import { sql, type SelectQueryBuilder, type SqlBool, type Expression, type ExpressionBuilder } from 'kysely'
import { expect } from 'vitest'

/** A query of which only the row matters. */
export type Read<Row = object> = SelectQueryBuilder<any, any, Row>

/**
 * The first promise of every read: narrowed in SQL it gives what filtering its rows in TypeScript gives. The filter must take some rows and leave
 * some, or it would prove nothing.
 */
export async function expectNarrows<Row>(
  read: Read<Row>,
  inSql: (eb: ExpressionBuilder<any, any>) => Expression<SqlBool>,
  inTypeScript: (row: Row) => boolean,
): Promise<void> {
  const all = await read.execute()
  const expected = all.filter((row) => inTypeScript(row as Row))
  expect(expected.length).toBeGreaterThan(0)
  expect(expected.length).toBeLessThan(all.length)
  expect(await read.where(inSql).execute()).toEqual(expected)
}

/** The same of a condition that any query has, that a column is what it is in the first row; and but for the last digits of sums. */
export async function expectNarrowsBy(read: Read, column: string): Promise<void> {
  const all = rounded(await read.execute())
  const value: unknown = Reflect.get(all[0]!, column)
  const expected = all.filter((row) => JSON.stringify(Reflect.get(row, column)) === JSON.stringify(value))
  expect(expected.length).toBeGreaterThan(0)
  expect(expected.length).toBeLessThan(all.length)
  const narrowed = read.where((eb) => sql<boolean>`${eb.ref(column)} is not distinct from ${value}`)
  expect(rounded(await narrowed.execute())).toEqual(expected)
}

/** Rows without the last digits of their numbers: those of a sum depend on its order, which is the planner's choice. */
export const rounded = (rows: object[]): object[] =>
  rows.map((row) =>
    Object.fromEntries(Object.entries(row).map(([key, value]) => [key, typeof value === 'number' ? Number(value.toPrecision(12)) : value])),
  )
