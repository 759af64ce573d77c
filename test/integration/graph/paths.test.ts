import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { callsDuring } from '../../../src/calls/callsDuring.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { kShortestPaths } from '../../../src/graph/kShortestPaths.ts'
import { pathsBetween } from '../../../src/graph/pathsBetween.ts'
import { shortestPath } from '../../../src/graph/shortestPath.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { at, during, insertCalls, services } from '../../support/rows.ts'
import { frame, tableFrame, type GivenEdge } from './frame.ts'

const names = (rows: readonly { urn: string }[]) => rows.map(({ urn }) => urn).join(' ')
const paths = (rows: readonly { rank: number; urn: string }[]) =>
  [...Map.groupBy(rows, ({ rank }) => rank).values()].map((steps) => names(steps))

/** Two ways from a to d: over b, which is quick to reach, and over c, which is quick in all; and one step that is slow. */
const ways: GivenEdge[] = [
  ['a', 'b', 1],
  ['b', 'd', 9],
  ['a', 'c', 3],
  ['c', 'd', 2],
  ['a', 'd', 20],
  ['d', 'a', 1],
]

apartFromTime('paths', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await services(scope, ['a', 'b', 'c', 'd', 'e', 'alone'])
  })
  afterAll(() => test.close())

  describe('shortestPath', () => {
    it('has the fewest edges, or the least sum of a column', async () => {
      const edges = await frame(scope, ways)
      expect(names(await shortestPath(scope, edges, { from: 'a', to: 'd' }).execute())).toBe('a d')
      expect(await shortestPath(scope, edges, { from: 'a', to: 'd', length: 'weight' }).execute()).toEqual([
        { step: 0, resource_id: expect.any(String), urn: 'a', length: null, cost: 0 },
        { step: 1, resource_id: expect.any(String), urn: 'c', length: 3, cost: 3 },
        { step: 2, resource_id: expect.any(String), urn: 'd', length: 2, cost: 5 },
      ])
      expect(names(await shortestPath(scope, edges, { from: 'd', to: 'b', direction: 'in' }).execute())).toBe('d b')
      expect(names(await shortestPath(scope, edges, { from: 'b', to: 'c', direction: 'both', length: 'weight' }).execute())).toBe('b a c')
      const upToTen = edges.where('edge.weight', '<', 10)
      expect(names(await shortestPath(scope, upToTen, { from: 'a', to: 'd' }).execute())).toBe('a b d')
    })

    it.each([[undefined], ['weight' as const]])('by %s: from itself, and to nowhere', async (weight) => {
      const edges = await tableFrame(scope, [...ways, ['e', 'e', 1]])
      const path = async (from: string, to: string) => names(await shortestPath(scope, edges, { from, to, length: weight }).execute())
      expect(await path('a', 'a')).toBe('a')
      expect(await path('e', 'e')).toBe('e')
      expect(await path('alone', 'alone')).toBe('alone')
      expect(await path('a', 'alone')).toBe('')
      expect(await path('e', 'a')).toBe('')
      const nothing = await frame(scope, [])
      expect(await shortestPath(scope, nothing, { from: 'a', to: 'b', length: weight }).execute()).toEqual([])
      expect(names(await shortestPath(scope, nothing, { from: 'a', to: 'a', length: weight }).execute())).toBe('a')
    })

    it('does not walk what has no length, takes the shortest of several edges, and refuses a negative length by name', async () => {
      const edges = await frame(scope, [
        ['a', 'b', null],
        ['a', 'b', Number.NaN],
        ['a', 'c', 7],
        ['a', 'c', 4],
        ['c', 'b', 0],
        ['b', 'd', Number.POSITIVE_INFINITY],
      ])
      const [, , last] = await shortestPath(scope, edges, { from: 'a', to: 'b', length: 'weight' }).execute()
      expect(last).toMatchObject({ step: 2, urn: 'b', length: 0, cost: 4 })
      expect(await shortestPath(scope, edges, { from: 'a', to: 'd', length: 'weight' }).execute()).toEqual([])
      expect(names(await shortestPath(scope, edges, { from: 'a', to: 'd' }).execute())).toBe('a b d')
      const negative = await frame(scope, [['a', 'b', -0.5]])
      await expect(shortestPath(scope, negative, { from: 'a', to: 'b', length: 'weight' }).execute()).rejects.toThrow(
        /the length of the edge from \d+ to \d+ is negative: -0\.5/,
      )
      await expect(shortestPath(scope, negative, { from: 'c', to: 'b', length: 'weight' }).execute()).resolves.toEqual([])
    })

    it('goes up to 100 hops, and by weight any number', async () => {
      const chain = Array.from({ length: 120 }, (_, index) => [`chain ${index}`, `chain ${index + 1}`, 1] as const)
      const edges = await frame(scope, chain)
      expect(await shortestPath(scope, edges, { from: 'chain 0', to: 'chain 100' }).execute()).toHaveLength(101)
      expect(await shortestPath(scope, edges, { from: 'chain 0', to: 'chain 101' }).execute()).toEqual([])
      expect(await shortestPath(scope, edges, { from: 'chain 0', to: 'chain 9', hops: 9 }).execute()).toHaveLength(10)
      expect(await shortestPath(scope, edges, { from: 'chain 0', to: 'chain 9', hops: 8 }).execute()).toEqual([])
      expect((await shortestPath(scope, edges, { from: 'chain 0', to: 'chain 120', length: 'weight' }).execute()).at(-1)!.cost).toBe(120)
    })

    it('keeps hostile names as data, and does not lead through another tenant', async () => {
      const hostile = [`'; drop table dim_resource; --`, '$$', '"', '\\', '🦊', 'x'.repeat(1024)]
      const edges = await frame(
        scope,
        hostile.slice(1).map((name, index) => [hostile[index]!, name, 1]),
      )
      for (const weight of [undefined, 'weight' as const]) {
        const rows = await shortestPath(scope, edges, { from: hostile[0]!, to: hostile.at(-1)!, length: weight }).execute()
        expect(rows.map(({ urn }) => urn)).toEqual(hostile)
      }
      const column = 'weight"; drop table dim_resource; --' as 'weight'
      await expect(shortestPath(scope, edges, { from: 'a', to: 'b', length: column }).execute()).rejects.toThrow('does not exist')
      const other = await tenant(test.db, 'other')
      const foreign = await services(other, ['a', 'between'])
      const own = await services(scope, ['a', 'b'])
      const through = scope.db
        .selectFrom(
          sql<{ src: string; dst: string; weight: number }>`
            (values (${own.get('a')}::int8, ${foreign.get('between')}::int8, 1::float8), (${foreign.get('between')}, ${own.get('b')}, 1))
          `.as<'edge'>(sql`edge (src, dst, weight)`),
        )
        .selectAll('edge')
      for (const weight of [undefined, 'weight' as const])
        expect(await shortestPath(scope, through, { from: 'a', to: 'b', length: weight }).execute()).toEqual([])
    })

    it('walks the calls of a range, by any of their columns', async () => {
      await insertCalls(scope, [
        { bucket: at('10:00'), src: 'a', dst: 'b', latencies: [100] },
        { bucket: at('10:00'), src: 'b', dst: 'd', latencies: [100] },
        { bucket: at('10:05'), src: 'a', dst: 'c', latencies: [10] },
        { bucket: at('10:05'), src: 'c', dst: 'd', latencies: [20] },
      ])
      const calls = callsDuring(scope, { range: during('10:00', '10:10') })
      const rows = await shortestPath(scope, calls, { from: 'a', to: 'd', length: 'p95_ms' }).execute()
      expect(names(rows)).toBe('a c d')
      // As exact as histograms are.
      expect(Math.abs(rows[2]!.cost - 30)).toBeLessThan(30 * 0.0109)
    })
  })

  describe('kShortestPaths', () => {
    it('are the shortest, shortest first, as many as there are', async () => {
      const edges = await frame(scope, ways)
      const by = (weight: 'weight' | undefined, limit?: number) =>
        kShortestPaths(scope, edges, { from: 'a', to: 'd', length: weight, limit }).execute()
      expect(paths(await by('weight'))).toEqual(['a c d', 'a b d', 'a d'])
      expect(paths(await by('weight', 2))).toEqual(['a c d', 'a b d'])
      expect(paths(await by(undefined, 100))).toEqual(['a d', 'a b d', 'a c d'])
      expect((await by('weight')).map(({ cost }) => cost)).toEqual([0, 3, 5, 0, 1, 10, 0, 20])
      await expectNarrows(
        kShortestPaths(scope, edges, { from: 'a', to: 'd', length: 'weight' }),
        (eb) => eb('rank', '>', 1),
        ({ rank }) => rank > 1,
      )
    })

    it('come to an end where walks would not', async () => {
      const size = 12
      const clique = Array.from({ length: size * size }, (_, index) => [`q${index % size}`, `q${Math.floor(index / size)}`, 1] as const)
      const edges = await frame(scope, [['a', 'q0', 1], ['q0', 'b', 1], ...clique])
      expect(paths(await kShortestPaths(scope, edges, { from: 'a', to: 'b', limit: 1000 }).execute())).toEqual(['a q0 b'])
      expect(await kShortestPaths(scope, edges, { from: 'q1', to: 'q2', limit: 50 }).execute()).toHaveLength(2 + 10 * 3 + 39 * 4)
    })
  })

  describe('pathsBetween', () => {
    it('are all up to so many edges, and say when there are more', async () => {
      const edges = await tableFrame(scope, [...ways, ['b', 'c', 1]])
      const rows = await pathsBetween(scope, edges, { from: 'a', to: 'd' }).execute()
      expect(paths(rows)).toEqual(['a d', 'a b d', 'a c d', 'a b c d'])
      expect(rows.map(({ hops }) => hops)).toEqual([1, 1, 2, 2, 2, 2, 2, 2, 3, 3, 3, 3])
      expect(new Set(rows.map(({ cut }) => cut))).toEqual(new Set([false]))
      const cut = await pathsBetween(scope, edges, { from: 'a', to: 'd', limit: 3 }).execute()
      expect(paths(cut)).toEqual(['a d', 'a b d', 'a c d'])
      expect(new Set(cut.map((row) => row.cut))).toEqual(new Set([true]))
      const short = await pathsBetween(scope, edges, { from: 'a', to: 'd', hops: 2, limit: 3 }).execute()
      expect(short.map((row) => row.cut)).toEqual(short.map(() => false))
      expect(await pathsBetween(scope, edges, { from: 'b', to: 'alone' }).execute()).toEqual([])
      expect(paths(await pathsBetween(scope, edges, { from: 'a', to: 'a' }).execute())).toEqual(['a'])
      await expectNarrows(
        pathsBetween(scope, edges, { from: 'a', to: 'd', limit: 3 }),
        (eb) => eb('urn', '=', 'c'),
        ({ urn }) => urn === 'c',
      )
    })
  })
})
