import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { impact } from '../../../src/graph/impact.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { frame } from './frame.ts'

apartFromTime('impact', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const summary = (rows: readonly { urn: string; depth: number; share: number; weight: number }[]) =>
    rows.map(({ urn, depth, share, weight }) => [urn, depth, share, weight])

  it('weighs callers by the share of their traffic that leads to the failing one', async () => {
    const edges = await frame(scope, [
      ['front', 'checkout', 6],
      ['front', 'cart', 4],
      ['checkout', 'payment', 3],
      ['checkout', 'cart', 1],
      ['cart', 'stock', 8],
      ['admin', 'payment', 2],
      ['payment', 'bank', 5],
    ])
    const rows = await impact(scope, edges, { resource: 'payment' }).execute()
    expect(summary(rows)).toEqual([
      ['front', 2, 0.6 * 0.75, 10 * 0.6 * 0.75],
      ['checkout', 1, 0.75, 3],
      ['admin', 1, 1, 2],
    ])
    expect(rows.map(({ item, score }) => [item, score])).toEqual(rows.map(({ urn, weight }) => [urn, weight]))
    expect(summary(await impact(scope, edges, { resource: 'payment', hops: 1 }).execute())).toEqual([
      ['checkout', 1, 0.75, 3],
      ['admin', 1, 1, 2],
    ])
  })

  it('comes to an end on cycles, and never passes 1', async () => {
    const edges = await frame(scope, [
      ['a', 'b', 1],
      ['b', 'a', 1],
      ['b', 'x', 1],
      ['x', 'a', 1],
      ['a', 'a', 99],
    ])
    const rows = await impact(scope, edges, { resource: 'x', hops: 100 }).execute()
    expect(rows.map(({ urn, depth }) => [urn, depth])).toEqual([
      ['b', 1],
      ['a', 2],
    ])
    for (const { share } of rows) expect(share).toBeCloseTo(1, 12)
    for (const { share } of rows) expect(share).toBeLessThanOrEqual(1)
    const [b] = await impact(scope, edges, { resource: 'x', hops: 3 }).execute()
    expect(b!.share).toBe(0.75)
  })

  it('defines weights that are missing, zero or negative, and several edges between two', async () => {
    const edges = await frame(scope, [
      ['a', 'x', null],
      ['a', 'y', 3],
      ['b', 'x', 0],
      ['b', 'y', 0],
      ['c', 'x', -5],
      ['c', 'y', 5],
      ['d', 'x', 1],
      ['d', 'x', 2],
      ['d', 'y', 1],
    ])
    expect(summary(await impact(scope, edges, { resource: 'x' }).execute())).toEqual([
      ['d', 1, 0.75, 3],
      ['a', 1, 0.25, 1],
      ['b', 1, 0.5, 0],
      ['c', 1, 0, 0],
    ])
    expect(await impact(scope, edges, { resource: 'a' }).execute()).toEqual([])
  })

  it('narrowed in SQL equals filtered afterwards', async () => {
    const edges = await frame(scope, [
      ['a', 'b', 1],
      ['b', 'x', 1],
      ['c', 'x', 2],
      ['c', 'b', 2],
    ])
    const all = await impact(scope, edges, { resource: 'x' }).execute()
    expect(await impact(scope, edges, { resource: 'x' }).where('share', '=', 1).orderBy('urn').execute()).toEqual(
      all.filter(({ share }) => share === 1).sort((one, other) => (one.urn < other.urn ? -1 : 1)),
    )
    expect(all).toHaveLength(3)
  })
})
