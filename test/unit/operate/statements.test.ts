import { describe, expect, it } from 'vitest'
import { statements } from '../../../src/operate/installedSql.ts'

describe('statements', () => {
  it.each([
    ['select 1; select 2;', ['select 1', 'select 2']],
    ["select ';'; select 'it''s;'", ["select ';'", "select 'it''s;'"]],
    ['create table "a;b" (); select 1', ['create table "a;b" ()', 'select 1']],
    ['do $$ begin; end $$; select 1', ['do $$ begin; end $$', 'select 1']],
    ['do $a$ $$; $$ $a$; select 1', ['do $a$ $$; $$ $a$', 'select 1']],
    ['-- one; comment\nselect 1; -- last;', ['-- one; comment\nselect 1']],
    ['/* ; */ select 1', ['/* ; */ select 1']],
    [' ;; ', []],
  ])('cuts %j', (script, expected) => {
    expect(statements(script)).toEqual(expected)
  })
})
