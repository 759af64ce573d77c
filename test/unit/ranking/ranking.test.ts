import { expect, it } from 'vitest'
import { rankBy } from '../../../src/ranking/rankBy.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { distinctCount } from '../../../src/sketch/distinctCount.ts'
import { compiled, oneLine } from '../../support/compiled.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'

const scope = unitScope()
const theirs = unitKysely<{ owner: { team: string; pages: string } }>().selectFrom('owner').selectAll().where('team', '<>', 'x')

it('ranks any query in one statement, its parameters in order', () => {
  expect(compiled(topK(scope, rankBy(scope, theirs, { item: 'team', score: 'pages' }), 3).where('pages', '>', '1'))).toEqual({
    sql: oneLine(`
      select "top".* from (
        select "ranked".* from (
          select "ranking".* from (
            select "row".*, "row"."team" as "item", "row"."pages"::float8 as "score" from (select * from "owner" where "team" <> $1) as "row"
          ) as "ranking"
        ) as "ranked"
        order by nullif(ranked.score::float8, 'NaN') desc nulls last, (ranked.item::text) collate "C", ((ranked.*)::text) collate "C" limit $2
      ) as "top" where "pages" > $3`),
    parameters: ['x', 3, '1'],
  })
})

it('counts distinct values of any query', () => {
  expect(compiled(distinctCount(scope, theirs, 'team'))).toEqual({
    sql: oneLine(`
      select "answer".* from (
        select pg_catalog.count(distinct "row"."team")::float8 as "distinct_count" from (select * from "owner" where "team" <> $1) as "row"
      ) as "answer"`),
    parameters: ['x'],
  })
})
