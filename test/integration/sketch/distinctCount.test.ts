import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { distinctCount } from '../../../src/sketch/distinctCount.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'

apartFromTime('distinctCount', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  const given = [...points('a', [1, 2, 2]), ...points(`o'brien "x"`, [null, 3, 1])]

  it.each([
    ['series', 2],
    ['bucket', 3],
    ['value', 3],
  ] as const)('counts the values of %s, each once and null never', async (column, expected) => {
    expect(await distinctCount(scope, frameOf(scope, given), column).execute()).toEqual([{ distinct_count: expected }])
  })

  it('counts 0 without rows', async () => {
    expect(await distinctCount(scope, frameOf(scope, []), 'series').execute()).toEqual([{ distinct_count: 0 }])
  })

  it('stands where a value does', async () => {
    const frame = frameOf(scope, given)
    const rows = await scope.db
      .selectFrom(frame.where('bucket', '>', bucketAt(1)).as('point'))
      .select(['point.series', distinctCount(scope, frame, 'series').as('of')])
      .orderBy('point.series')
      .execute()
    expect(rows).toEqual([
      { series: 'a', of: 2 },
      { series: `o'brien "x"`, of: 2 },
    ])
  })
})
