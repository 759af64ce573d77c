import { sql, type NotNull } from 'kysely'
import { expectTypeOf } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { cypher, decodeAgtype, reach, type Agtype, type CypherEdge, type CypherPath, type CypherVertex } from '../../../src/graph/index.ts'
import type { Json } from '../../../src/schema/text.ts'

declare const scope: Scope

const found = cypher(
  scope,
  {
    columns: {
      name: 'text',
      calls: 'int8',
      whole: 'int4',
      share: 'float8',
      ok: 'bool',
      exact: 'numeric',
      since: 'timestamptz',
      who: 'vertex',
      call: 'edge',
      way: 'path',
      all: 'map',
      some: 'list',
      raw: 'agtype',
    },
  },
  'MATCH ...',
  { min: 3, big: 3n, since: new Date(), list: [1, 'a', [null, { deep: true }]] },
)

expectTypeOf((await found.execute())[0]!).toEqualTypeOf<{
  name: string | null
  calls: string | null
  whole: number | null
  share: number | null
  ok: boolean | null
  exact: string | null
  since: Date | null
  who: CypherVertex | null
  call: CypherEdge | null
  way: CypherPath | null
  all: Record<string, Json> | null
  some: Json[] | null
  raw: string | null
}>()

const joined = scope.db
  .selectFrom(found.as('c'))
  .innerJoin(scope.table('dim_resource', 'r'), 'r.urn', 'c.name')
  .where('c.calls', '>', '2')
  .select(['r.resource_id', 'c.who', sql<string>`c.who ->> 'id'`.as('id')])
expectTypeOf((await joined.execute())[0]!).toEqualTypeOf<{ resource_id: string; who: CypherVertex | null; id: string }>()

expectTypeOf(decodeAgtype('1')).toEqualTypeOf<Agtype>()

const edges = cypher(scope, { columns: { src: 'int8', dst: 'int8', weight: 'float8' } }, 'MATCH ...')
void reach(scope, edges.$narrowType<{ src: NotNull; dst: NotNull }>(), { from: 'a' })
// @ts-expect-error ends of edges are not null
void reach(scope, edges, { from: 'a' })

// @ts-expect-error there is no such type
void cypher(scope, { columns: { name: 'varchar' } }, 'RETURN 1')
// @ts-expect-error a parameter is a value
void cypher(scope, { columns: { name: 'text' } }, 'RETURN $a', { a: () => 1 })
// @ts-expect-error nor nothing
void cypher(scope, { columns: { name: 'text' } }, 'RETURN $a', { a: undefined })
// @ts-expect-error a column that is not declared
void found.select('nothing')
