import { expect, it } from 'vitest'
import { schemasOf } from '../../../src/database/connection/searchPath.ts'

it.each([
  ['', []],
  ['""', ['']],
  ['"$user", public', ['$user', 'public']],
  ['$user,Public ,"PG_catalog"', ['$user', 'public', 'PG_catalog']],
  ['"a "" , b", pg_catalog', ['a " , b', 'pg_catalog']],
])('a search_path of %j names %j', (path, schemas) => {
  expect(schemasOf(path)).toEqual(schemas)
})
