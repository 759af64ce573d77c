import { sql } from 'kysely'
import { describe, expect, it } from 'vitest'
import { activeCalls } from '../../../src/calls/activeCalls.ts'
import { callsDuring } from '../../../src/calls/callsDuring.ts'
import { cycles } from '../../../src/graph/cycles.ts'
import type { EdgeRow } from '../../../src/graph/edgeFrame.ts'
import { impact } from '../../../src/graph/impact.ts'
import { kShortestPaths } from '../../../src/graph/kShortestPaths.ts'
import { neighbourhood } from '../../../src/graph/neighbourhood.ts'
import { pathsBetween } from '../../../src/graph/pathsBetween.ts'
import { reach } from '../../../src/graph/reach.ts'
import { shortestPath } from '../../../src/graph/shortestPath.ts'
import { InvalidInputError } from '../../../src/schema/errors.ts'
import { compiled } from '../../support/compiled.ts'
import { during } from '../../support/rows.ts'
import { unitScope } from '../../support/unitScope.ts'

const scope = unitScope({ installation: { schema: 'obs' } })
const plain = scope.db.selectFrom(sql<EdgeRow>`${sql.id('mine', 'edge')}`.as('mine')).selectAll('mine')
const grouped = callsDuring(scope, { range: during('10:00', '11:00') })

describe('the SQL of reach', () => {
  const level = (hops: string) =>
    'level (depth, ids, via, urns, visited) as (' +
    'select 0, pg_catalog.array_agg(start.resource_id), null::int8[], pg_catalog.array_agg(start.urn), pg_catalog.array_agg(start.resource_id) from "obs"."dim_resource" as start ' +
    'where start.tenant_id = $1::int8 and start.urn = any($2::text[]) and "obs"."require_resources"($3::int8, $4::text[]) union all ' +
    'select level.depth + 1, next.ids, next.via, next.urns, pg_catalog.array_cat(level.visited, next.ids) from level cross join lateral (' +
    'select pg_catalog.array_agg(step.id) as ids, pg_catalog.array_agg(step.via) as via, pg_catalog.array_agg(resource.urn) as urns from (' +
    'select met.id, min(met.via) from (' +
    'select edge.dst, at.id from pg_catalog.unnest(level.ids) as at (id) join edge on edge.src = at.id union all ' +
    'select seen.id, null from pg_catalog.unnest(level.visited) as seen (id)) as met (id, via) ' +
    'group by met.id having count(*) = pg_catalog.count(met.via)) as step (id, via) ' +
    'join "obs"."dim_resource" as resource on resource.tenant_id = $5::int8 and resource.resource_id = step.id' +
    `) as next where level.depth < ${hops}::int4 and next.ids is not null)`

  it('walks a plain frame where it lies', () => {
    const { sql: text, parameters } = compiled(reach(scope, plain.orderBy('mine.src'), { from: `'; --` }))
    expect(text).toBe(
      'select "reached".* from (with recursive frame as not materialized (select "mine".* from "mine"."edge" as "mine"), ' +
        'edge (src, dst, length) as not materialized (select frame.src, frame.dst, null::float8 from frame), ' +
        `${level('$6')} select found.id as resource_id, found.urn, level.depth, before.urn as via_urn from level ` +
        'cross join lateral unnest(level.ids, level.via, level.urns) as found (id, via, urn) ' +
        'join "obs"."dim_resource" as before on before.tenant_id = $7::int8 and before.resource_id = found.via ' +
        'where level.depth > 0 order by level.depth, found.urn collate "C") as "reached"',
    )
    expect(parameters).toEqual(['1', [`'; --`], '1', [`'; --`], '1', 3, '1'])
  })

  it('puts the whole ways together in one function', () => {
    const { sql: text } = compiled(reach(scope, plain, { from: 'a', withPaths: true }))
    expect(text).toContain(
      `${level('$6')} select trail.id as resource_id, step.urn, step.depth, trail.path[step.depth] as via_urn, trail.path ` +
        'from (select pg_catalog.array_agg(found.id) as ids, pg_catalog.array_agg(found.via) as via, pg_catalog.array_agg(found.urn) as urns from level ' +
        'cross join lateral unnest(level.ids, level.via, level.urns) as found (id, via, urn)) as met ' +
        'cross join lateral "obs"."graph_trails"(met.ids, met.via, met.urns) as trail ' +
        'cross join lateral (select trail.path[pg_catalog.cardinality(trail.path)] as urn, pg_catalog.cardinality(trail.path) - 1 as depth) as step ' +
        'where step.depth > 0 order by step.depth, step.urn collate "C"',
    )
  })

  it('computes any other frame once, in no order', () => {
    const { sql: text } = compiled(reach(scope, grouped, { from: 'a', direction: 'in' }))
    expect(text).toContain('frame as (select "edge".* from (select "call"."src_resource_id" as "src"')
    expect(text).toContain(
      'group by "call"."src_resource_id", "call"."dst_resource_id") as "edge"), edge (src, dst, length) as materialized (',
    )
    expect(text).toContain(
      'from (select frame.dst, frame.src, null::float8 from frame) as ends (src, dst, length)) as given ' +
        'cross join lateral "obs"."graph_walk_edges"(given.src, given.dst, given.length) as walked)',
    )
  })

  it('takes the edges of both directions from one frame', () => {
    expect(compiled(reach(scope, plain, { from: 'a', direction: 'both' })).sql).toContain(
      '(select frame.src, frame.dst, null::float8 from frame union all select frame.dst, frame.src, null::float8 from frame)',
    )
  })
})

it('the paths are one statement around the frame, with every value a parameter', () => {
  const ways = kShortestPaths(scope, activeCalls(scope).where('err_rate', '>', 0.5), { from: 'a', to: 'b', limit: 7, length: 'p95_ms' })
  const { sql: text, parameters } = compiled(ways)
  expect(text).toMatch(/^select "stop"\.\* from \(select walk\.path as rank, walk\.step, .* order by walk\.path, walk\.step\) as "stop"$/)
  expect(text).toContain(
    'where "err_rate" > $1), edge (src, dst, length) as not materialized (select frame.src, frame.dst, "frame"."p95_ms"::float8 from frame)',
  )
  expect(parameters).toEqual([0.5, '1', ['a'], '1', ['a'], '1', '1', 'a', '1', 'b', '1', ['b'], 7, null, '1'])
  expect(compiled(pathsBetween(scope, plain, { from: 'a', to: 'b', hops: 4, limit: 9 })).parameters).toEqual(
    // prettier-ignore
    [9, '1', ['a'], '1', ['a'], '1', 4, '1', 'a', '1', 'b', '1', ['b'], 10, 4, '1', 9],
  )
  expect(compiled(shortestPath(scope, plain, { from: 'a', to: 'b' })).parameters).toEqual(['b', '1', 'a', '1', ['a', 'b'], '1', 100, '1'])
  expect(compiled(impact(scope, plain, { resource: 'x' })).parameters).toEqual([
    '1',
    ['x'],
    '1',
    ['x'],
    '1',
    10,
    '1',
    'x',
    10,
    '1',
    '1',
    ['x'],
  ])
})

it('a neighbourhood has the columns of its frame, and asks a plain one by its index', () => {
  const { sql: text } = compiled(neighbourhood(scope, plain, { resource: 'a' }))
  expect(text).toContain(
    'select frame.* from near join frame on frame.src = near.id where ("frame"."dst" in (select id from near)) is true and ' +
      '"obs"."require_resources"($7::int8, $8::text[]) order by',
  )
  expect(compiled(neighbourhood(scope, grouped, { resource: 'a' })).sql).toContain(
    'select frame.* from frame where ("frame"."src" in (select id from near)) is true and ("frame"."dst" in (select id from near)) is true and ' +
      '"obs"."require_resources"(',
  )
})

it('cycles computes any frame once, in no order', () => {
  expect(compiled(cycles(scope, grouped)).sql).toContain(
    'group by "call"."src_resource_id", "call"."dst_resource_id") as "edge") as frame) as given cross join lateral "obs"."graph_core"(given.src, given.dst) as core',
  )
})

describe('options are refused by name', () => {
  const ends = { from: 'a', to: 'b' }
  it.each([
    ['hops', () => shortestPath(scope, plain, { ...ends, hops: 0 }), /^hops: must be at least 1, got 0/],
    [
      'hops with a weight',
      () => shortestPath(scope, plain, { ...ends, hops: 3, length: 'weight' }),
      /^hops: must not be given with length, got hops 3 and length weight/,
    ],
    ['an empty length', () => shortestPath(scope, plain, { ...ends, length: '' as 'weight' }), /^length: must not be empty/],
    ['a NUL', () => shortestPath(scope, plain, { from: 'a\u0000', to: 'b' }), /^from: /],
    ['limit', () => kShortestPaths(scope, plain, { ...ends, limit: 1001 }), /^limit: must be at most 1000, got 1001/],
    ['limit', () => pathsBetween(scope, plain, { ...ends, limit: 0.5 }), /^limit: /],
    ['what is no option', () => pathsBetween(scope, plain, { ...ends, weight: 'weight' } as never), /^options: has no key "weight"/],
    ['a direction', () => neighbourhood(scope, plain, { resource: 'a', direction: 'up' as never }), /^direction: /],
    ['an empty URN', () => neighbourhood(scope, plain, { resource: ['a', ''] }), /^resource/],
  ])('%s', (_, ask, message) => {
    expect(ask).toThrow(InvalidInputError)
    expect(ask).toThrow(message)
  })
})
