import { sql } from 'kysely'
import { expect, it } from 'vitest'
import { sqlText } from '../../../src/database/sql/sqlText.ts'

it('writes an expression as the statement that it would stand in has it', () => {
  expect(sqlText(sql`sum(${sql.ref('call.call_count')}) / ${sql.lit(12)}::float8`)).toBe('sum("call"."call_count") / 12::float8')
})

it('refuses what is a parameter', () => {
  expect(() => sqlText(sql`bucket >= ${1}`)).toThrow('a statement without parameters cannot hold bucket >= $1')
})
