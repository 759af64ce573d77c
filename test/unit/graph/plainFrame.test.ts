import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { activeCalls } from '../../../src/calls/activeCalls.ts'
import { callsDuring } from '../../../src/calls/callsDuring.ts'
import type { EdgeRow } from '../../../src/graph/edgeFrame.ts'
import { neighbourhood } from '../../../src/graph/neighbourhood.ts'
import { isPlainFrame } from '../../../src/graph/plainFrame.ts'
import { topologyAt } from '../../../src/topology/topologyAt.ts'
import { at, during } from '../../support/rows.ts'
import { unitKysely, unitScope } from '../../support/unitScope.ts'

const scope = unitScope({ graphMade: true })
const db = unitKysely<{ edge: EdgeRow & { kind: string } }>()
const mine = db.selectFrom('edge').select(['src', 'dst', 'weight'])

describe('isPlainFrame', () => {
  it.each([
    ['the label of the active calls', activeCalls(scope)],
    ['a table', mine],
    ['one named by a schema', db.withSchema('mine').selectFrom('edge').selectAll()],
    ['its rows of one kind, in an order', mine.where('kind', '=', 'calls').orderBy('src')],
    ['expressions over a row', db.selectFrom('edge').select((eb) => ['src', 'dst', eb('weight', '*', 2).as('weight')])],
    ['a filter around it', db.selectFrom(mine.as('inner')).selectAll('inner').where('weight', '>', 1)],
    ['one that somebody named in SQL', db.selectFrom(sql<EdgeRow>`mine."An ""edge"" (of mine)"`.as('edge')).selectAll('edge')],
    ['the active calls of some weight', activeCalls(scope).where('err_rate', '>', 0.1)],
  ])('%s is', (_, frame) => {
    expect(isPlainFrame(frame)).toBe(true)
  })

  it.each([
    ['the calls of a range', callsDuring(scope, { range: during('10:00', '11:00') })],
    ['topology', topologyAt(scope, { at: at('10:00') })],
    ['a function', activeCalls(unitScope({ graphMade: false }))],
    ['one that somebody calls in SQL', db.selectFrom(sql<EdgeRow>`mine."edges"()`.as('edge')).selectAll('edge')],
    [
      'rows that somebody wrote',
      db.selectFrom(sql<EdgeRow>`(values (1, 2, 3))`.as<'edge'>(sql`edge (src, dst, weight)`)).selectAll('edge'),
    ],
    ['a neighbourhood', neighbourhood(scope, mine, { resource: 'a' })],
    ['a limit', mine.limit(3)],
    ['distinct rows', mine.distinct()],
    ['a limit within', db.selectFrom(mine.limit(3).as('inner')).selectAll('inner')],
    ['a union', mine.unionAll(mine)],
    ['a join', mine.innerJoin('edge as other', 'other.src', 'edge.dst').clearSelect().select(['edge.src', 'edge.dst', 'edge.weight'])],
    [
      'groups',
      db
        .selectFrom('edge')
        .groupBy(['src', 'dst'])
        .select((eb) => ['src', 'dst', eb.fn.max<number | null>('weight').as('weight')]),
    ],
    [
      'a member of its own',
      db
        .with('some', () => mine)
        .selectFrom('some')
        .selectAll(),
    ],
    ['a window', db.selectFrom('edge').select((eb) => ['src', 'dst', eb.fn.max<number>('weight').over().as('weight')])],
    ['a window that somebody wrote', db.selectFrom('edge').select(['src', 'dst', sql<number>`max(weight) OVER ()`.as('weight')])],
    ['a query in a column', db.selectFrom('edge').select(['src', 'dst', sql<number>`(select 1)`.as('weight')])],
  ])('%s is not', (_, frame) => {
    expect(isPlainFrame(frame)).toBe(false)
  })
})
