import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { cycles } from '../../../src/graph/cycles.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { frame } from './frame.ts'

apartFromTime('cycles', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  it('are the components that go round, the largest first, each with a shortest cycle', async () => {
    const edges = await frame(scope, [
      ['a', 'b'],
      ['b', 'c'],
      ['c', 'a'],
      ['c', 'd'],
      ['d', 'c'],
      ['d', 'leaf'],
      ['x', 'a'],
      ['x', 'y'],
      ['y', 'x'],
      ['y', 'x'],
      ['self', 'self'],
      ['root', 'self'],
    ])
    expect(await cycles(scope, edges).execute()).toEqual([
      { component: 1, size: 4, members: ['a', 'b', 'c', 'd'], cycle: ['c', 'd'] },
      { component: 2, size: 2, members: ['x', 'y'], cycle: ['x', 'y'] },
      { component: 3, size: 1, members: ['self'], cycle: ['self'] },
    ])
    await expectNarrows(
      cycles(scope, edges),
      (eb) => eb('size', '>', 1),
      ({ size }) => size > 1,
    )
  })

  it('are none where nothing goes round', async () => {
    const line = [
      ['a', 'b'],
      ['b', 'c'],
      ['a', 'c'],
    ] as const
    expect(await cycles(scope, await frame(scope, line)).execute()).toEqual([])
    expect(await cycles(scope, await frame(scope, [])).execute()).toEqual([])
  })

  it('do not go through another tenant', async () => {
    const other = await tenant(test.db, 'other')
    const foreign = await frame(other, [
      ['secret', 'hidden'],
      ['hidden', 'secret'],
    ])
    expect(await cycles(scope, foreign).execute()).toEqual([])
    expect(await cycles(other, foreign).execute()).toHaveLength(1)
  })

  it('take time in proportion: a long ring, and a dense graph', async () => {
    const ring = Array.from({ length: 3000 }, (_, index) => [`ring ${index}`, `ring ${(index + 1) % 3000}`] as const)
    const start = performance.now()
    const [only] = await cycles(scope, await frame(scope, ring)).execute()
    expect(only!.cycle).toHaveLength(3000)
    const dense = Array.from({ length: 300 * 20 }, (_, index) => [`v${index % 300}`, `v${(index * 7 + (index % 13) * 31) % 300}`] as const)
    expect((await cycles(scope, await frame(scope, dense)).execute()).length).toBeGreaterThan(0)
    expect(performance.now() - start).toBeLessThan(20_000)
  })
})
