import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { reach } from '../../../src/graph/reach.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'
import { services } from '../../support/rows.ts'
import { frame } from './frame.ts'

apartFromTime('reach', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const lines = (rows: readonly { urn: string; depth: number; via_urn: string }[]) =>
    rows.map(({ urn, depth, via_urn }) => `${depth} ${urn} via ${via_urn}`)

  it('gives every vertex once, with its least depth and the lowest way there', async () => {
    const edges = await frame(scope, [
      ['a', 'b', 1],
      ['a', 'c', 5],
      ['b', 'd', 1],
      ['c', 'd', 2],
      ['d', 'e'],
      ['a', 'e'],
      ['e', 'f'],
    ])
    expect(lines(await reach(scope, edges, { from: 'a' }).execute())).toEqual([
      '1 b via a',
      '1 c via a',
      '1 e via a',
      '2 d via b',
      '2 f via e',
    ])
    expect(lines(await reach(scope, edges, { from: 'a', hops: 1 }).execute())).toEqual(['1 b via a', '1 c via a', '1 e via a'])
    expect(lines(await reach(scope, edges, { from: 'd', direction: 'in' }).execute())).toEqual(['1 b via d', '1 c via d', '2 a via b'])
    expect(lines(await reach(scope, edges, { from: 'f', direction: 'both', hops: 2 }).execute())).toEqual([
      '1 e via f',
      '2 a via e',
      '2 d via e',
    ])
    expect(lines(await reach(scope, edges, { from: ['b', 'e'], hops: 1 }).execute())).toEqual(['1 d via b', '1 f via e'])
  })

  it('gives the whole of that way where it is asked for', async () => {
    const edges = await frame(scope, [
      ['a', 'b'],
      ['a', 'c'],
      ['b', 'd'],
      ['c', 'd'],
      ['d', 'a'],
      ['d', 'e'],
      ['x', 'e'],
    ])
    for (const options of [{ from: 'a' }, { from: ['a', 'x'], hops: 2 }, { from: 'e', direction: 'in' as const }]) {
      const short = await reach(scope, edges, options).execute()
      const whole = await reach(scope, edges, { ...options, withPaths: true }).execute()
      expect(whole.map(({ path: _, ...row }) => row)).toEqual(short)
      const before = new Map(short.map(({ urn, via_urn }) => [urn, via_urn]))
      for (const { urn, depth, path } of whole) {
        expect(path).toHaveLength(depth + 1)
        expect([options.from].flat()).toContain(path[0])
        expect(path.at(-1)).toBe(urn)
        path.slice(1).forEach((step, index) => expect(before.get(step)).toBe(path[index]))
      }
    }
    const [, , , last] = await reach(scope, edges, { from: 'a', withPaths: true }).execute()
    expect(last!.path).toEqual(['a', 'b', 'd', 'e'])
  })

  it('has an answer for cycles, loops and ends that nothing leaves', async () => {
    const edges = await frame(scope, [
      ['a', 'a'],
      ['a', 'b'],
      ['b', 'a'],
      ['b', 'c'],
      ['c', 'a'],
    ])
    expect(lines(await reach(scope, edges, { from: 'a', hops: 100 }).execute())).toEqual(['1 b via a', '2 c via b'])
    expect(await reach(scope, await frame(scope, [['a', 'b']]), { from: 'b' }).execute()).toEqual([])
    expect(await reach(scope, edges, { from: [] }).execute()).toEqual([])
    expect(await reach(scope, await frame(scope, []), { from: 'a' }).execute()).toEqual([])
  })

  it('narrowed in SQL equals filtered afterwards', async () => {
    const edges = await frame(scope, [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'd'],
      ['b', 'e'],
    ])
    const all = await reach(scope, edges, { from: 'a' }).execute()
    const narrowed = await reach(scope, edges, { from: 'a' }).where('depth', '>', 1).orderBy('depth').orderBy('urn').execute()
    expect(narrowed).toEqual(all.filter(({ depth }) => depth > 1))
    expect(narrowed).toHaveLength(3)
  })

  it('shows no resource of another tenant, whatever ids a frame holds', async () => {
    const other = await tenant(test.db, 'other')
    await services(other, ['secret'])
    const foreign = await frame(other, [['a', 'secret']])
    expect(await reach(scope, foreign, { from: 'a' }).execute()).toEqual([])
    expect(lines(await reach(other, foreign, { from: 'a' }).execute())).toEqual(['1 secret via a'])
  })

  it('keeps hostile names as data', async () => {
    const names = [`'; drop table dim_resource; --`, '$$', '"', '\\', '🦊', 'x'.repeat(1024)]
    const edges = await frame(
      scope,
      names.map((name, index) => [index === 0 ? 'a' : names[index - 1]!, name]),
    )
    expect((await reach(scope, edges, { from: 'a', hops: 10 }).execute()).map(({ urn }) => urn)).toEqual(names)
    expect(await reach(scope, edges, { from: names[2]! }).execute()).toHaveLength(3)
  })

  it.each([
    [{ from: 'a', hops: 0 }, /^hops: must be at least 1, got 0/],
    [{ from: 'a', hops: 101 }, /^hops: must be at most 100, got 101/],
    [{ from: 'a', hops: 1.5 }, /^hops: /],
    [{ from: '' }, /^from/],
    [{ from: 'a\u0000b' }, /^from/],
    [{ from: 'x'.repeat(1025) }, /^from/],
  ])('refuses %j by name', (options, message) => {
    const edges = scope.db.selectNoFrom(({ lit, val }) => [val('1').as('src'), val('2').as('dst'), lit(1).as('weight')])
    expect(() => reach(scope, edges, options)).toThrow(message)
  })

  describe('on a dense cyclic graph', () => {
    it('expands no vertex twice, so it does not blow up', async () => {
      const size = 500
      const edges = await frame(
        scope,
        Array.from({ length: size }, (_, index) =>
          [1, 3, 7, 17, 31, 61, 97, 150, 211, 250, 401, 499].map((step) => [`v${index}`, `v${(index + step) % size}`] as const),
        ).flat(),
      )
      const start = performance.now()
      const rows = await reach(scope, edges, { from: 'v0', hops: 10 }).execute()
      expect(performance.now() - start).toBeLessThan(2_000)
      expect(rows).toHaveLength(size - 1)
      expect(new Set(rows.map(({ urn }) => urn)).size).toBe(size - 1)
    })
  })
})
