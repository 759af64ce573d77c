import type { SelectQueryBuilder, SqlBool, Expression, ExpressionBuilder } from 'kysely'
import { expect } from 'vitest'

/**
 * The first promise of every read: narrowed in SQL it gives what filtering its rows in TypeScript gives. The filter must take some rows and leave
 * some, or it would prove nothing.
 */
export async function expectNarrows<Row>(
  read: SelectQueryBuilder<any, any, Row>,
  inSql: (eb: ExpressionBuilder<any, any>) => Expression<SqlBool>,
  inTypeScript: (row: Row) => boolean,
): Promise<void> {
  const all = await read.execute()
  const expected = all.filter((row) => inTypeScript(row as Row))
  expect(expected.length).toBeGreaterThan(0)
  expect(expected.length).toBeLessThan(all.length)
  expect(await read.where(inSql).execute()).toEqual(expected)
}
