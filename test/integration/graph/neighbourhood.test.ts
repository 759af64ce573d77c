import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { neighbourhood } from '../../../src/graph/neighbourhood.ts'
import { reach } from '../../../src/graph/reach.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { services } from '../../support/rows.ts'
import { frame, tableFrame } from './frame.ts'

apartFromTime('neighbourhood', () => {
  let test: TestDatabase
  let scope: Scope
  let nameOf: Map<string, string>
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    nameOf = new Map([...(await services(scope, ['a', 'b', 'c', 'd', 'e']))].map(([urn, id]) => [id, urn]))
  })
  afterAll(() => test.close())

  const lines = (rows: readonly { src: string; dst: string }[]) => rows.map(({ src, dst }) => `${nameOf.get(src)}${nameOf.get(dst)}`)

  it.each([
    ['computed once', frame],
    ['walked where it lies', tableFrame],
  ])('has the edges among what is near, %s', async (_, make) => {
    const edges = await make(scope, [
      ['a', 'b', 1],
      ['b', 'c', 2],
      ['c', 'a', 3],
      ['c', 'd', 4],
      ['d', 'e', 5],
      ['b', 'b', 6],
      ['a', 'b', 7],
    ])
    const near = async (of: string | string[], hops?: number, direction?: 'out' | 'in' | 'both') =>
      lines(await neighbourhood(scope, edges, { resource: of, hops, direction }).execute()).toSorted()
    expect(await near('b')).toEqual(['ab', 'ab', 'bb', 'bc', 'ca'])
    expect(await near('d', 1, 'out')).toEqual(['de'])
    expect(await near('d', 1, 'in')).toEqual(['cd'])
    // What is near the one may lead to what is near the other.
    expect(await near(['a', 'e'])).toEqual(['ab', 'ab', 'bb', 'bc', 'ca', 'cd', 'de'])
    const around = neighbourhood(scope, edges, { resource: 'b' })
    expect((await around.execute()).map(({ weight }) => weight)).toEqual([1, 7, 6, 2, 3])
    await expectNarrows(
      around,
      (eb) => eb('weight', '>', 2),
      ({ weight }) => weight! > 2,
    )
    // A frame again: within it nothing leads to d any more.
    expect((await reach(scope, around, { from: 'a' }).execute()).map(({ urn }) => urn)).toEqual(['b', 'c'])
  })

  it('does not show, nor go through, another tenant', async () => {
    const other = await tenant(test.db, 'other')
    const foreign = await frame(other, [['a', 'secret']])
    expect(await neighbourhood(scope, foreign, { resource: 'a', hops: 9 }).execute()).toEqual([])
    expect(await neighbourhood(other, foreign, { resource: 'a' }).execute()).toHaveLength(1)
  })
})
