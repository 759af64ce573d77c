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

/** The same of a condition that any query has: that a column is what it is in the first row. */
export async function expectNarrowsBy(read: Read, column: string): Promise<void> {
  const [first] = await read.execute()
  const value: unknown = Reflect.get(first!, column)
  await expectNarrows(
    read,
    (eb) => sql<boolean>`${eb.ref(column)} is not distinct from ${value}`,
    (row) => JSON.stringify(Reflect.get(row, column)) === JSON.stringify(value),
  )
}
