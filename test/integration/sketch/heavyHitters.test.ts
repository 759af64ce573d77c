import fc from 'fast-check'
import { sql } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { HeavyHitters, heavyHittersMerge, heavyHittersTop, type HeavyHittersJson } from '../../../src/sketch/index.ts'
import { sketchOf, streams } from '../../support/heavyStreams.ts'
import { apartFromTime, sharedDatabase, tenant, type TestDatabase } from '../../support/leg.ts'

apartFromTime('heavy hitters in SQL', () => {
  let test: TestDatabase
  let scope: Scope
  beforeAll(async () => {
    test = await sharedDatabase()
    scope = await tenant(test.db)
  })
  afterAll(() => test.close())

  /** A row for each sketch. */
  const stored = (sketches: readonly (string | null)[]) =>
    scope.db.selectFrom(
      sql<{ sketch: HeavyHittersJson | null; position: number }>`
        (select sketch::jsonb as sketch, position::int4 as position from unnest(${sketches}::text[]) with ordinality as given (sketch, position))
      `.as('row'),
    )

  const merged = async (sketches: readonly (string | null)[], options = {}) => {
    const { text } = await stored(sketches)
      .select(({ ref }) => sql<string | null>`${heavyHittersMerge(scope, ref('row.sketch'), options)}::text`.as('text'))
      .executeTakeFirstOrThrow()
    return text
  }

  const top = (sketch: string | null, k: number) =>
    stored([sketch])
      .innerJoinLateral(
        ({ ref }) => heavyHittersTop(scope, ref('row.sketch'), k).as('top'),
        (join) => join.onTrue(),
      )
      .selectAll('top')
      .execute()

  it('merges to the byte, and says of the top, what TypeScript does', async () => {
    await fc.assert(
      fc.asyncProperty(
        streams,
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 9 }),
        async (parts, of, capacity, k) => {
          const sketches = parts.map((part) => sketchOf(part, of))
          const expected = HeavyHitters.merge(sketches, { capacity })
          const text = sketches.map(String)
          expect(await merged(text, { capacity })).toBe(expected.toString())
          expect(await merged([null, ...text.toReversed()], { capacity })).toBe(expected.toString())
          expect(await merged(text)).toBe(HeavyHitters.merge(sketches).toString())
          expect(await top(expected.toString(), k)).toEqual(expected.top(k))
        },
      ),
      { numRuns: 80 },
    )
  })

  it('merges each group by itself, and composes', async () => {
    const sketches = [
      '{"n": 3, "offset": 0, "counters": {"a": 3}}',
      '{"n": 4, "offset": 0, "counters": {"b": 4}}',
      '{"n": 2, "offset": 0, "counters": {"a": 2}}',
    ]
    const groups = stored(sketches)
      .groupBy(sql`position % 2`)
      .select(({ ref }) => [sql<number>`position % 2`.as('odd'), heavyHittersMerge(scope, ref('row.sketch')).as('sketch')])
    const rows = await scope.db
      .selectFrom(groups.as('each'))
      .innerJoinLateral(
        ({ ref }) => heavyHittersTop(scope, ref('each.sketch'), 5).as('top'),
        (join) => join.onTrue(),
      )
      .select(['each.odd', 'top.item', 'top.max_count'])
      .orderBy('each.odd')
      .execute()
    expect(rows).toEqual([
      { odd: 0, item: 'b', max_count: 4 },
      { odd: 1, item: 'a', max_count: 5 },
    ])
  })

  it('is null where nothing is, and has no rows of null', async () => {
    expect(await merged([])).toBeNull()
    expect(await merged([null, null])).toBeNull()
    expect(await merged([null], { capacity: 2 })).toBeNull()
    expect(await top(null, 3)).toEqual([])
    expect(await merged(['{"n": 0, "offset": 0, "counters": {}}'])).toBe('{"n": 0, "offset": 0, "counters": {}}')
  })

  it.each([
    ['null', /must be an object with n, offset/],
    ['[]', /must be an object with n, offset/],
    ['{"n": 1, "offset": 0, "counters": []}', /must be an object with n, offset/],
    ['{"offset": 0, "counters": {}}', /n must be a whole number/],
    ['{"n": "1", "offset": 0, "counters": {}}', /n must be a whole number/],
    ['{"n": -1, "offset": 0, "counters": {}}', /n must be a whole number/],
    ['{"n": 1, "counters": {}}', /offset must be a whole number/],
    ['{"n": 1, "offset": 2, "counters": {}}', /offset must be a whole number/],
    ['{"n": 1, "offset": 0, "counters": {"a": 0}}', /counters must be whole numbers/],
    ['{"n": 9, "offset": 0, "counters": {"a": 1.5}}', /counters must be whole numbers/],
    ['{"n": 9, "offset": 0, "counters": {"a": "1"}}', /counters must be whole numbers/],
    ['{"n": 9, "offset": 0, "counters": {"a": [1]}}', /counters must be whole numbers/],
    ['{"n": 9, "offset": 0, "counters": {"a": null}}', /counters must be whole numbers/],
    ['{"n": 9, "offset": 0, "counters": {"a": 10}}', /counters must be whole numbers/],
  ])('raises for %s', async (sketch, reason) => {
    const good = '{"n": 1, "offset": 0, "counters": {"a": 1}}'
    await expect(merged([good, sketch])).rejects.toThrow(reason)
    await expect(top(sketch, 3)).rejects.toThrow(reason)
  })

  it('raises above 2^53 - 1 in all, and for an invalid capacity', async () => {
    const most = '{"n": 9007199254740991, "offset": 0, "counters": {"a": 9007199254740991}}'
    expect(await merged([most])).toBe(most)
    await expect(merged([most, most])).rejects.toThrow('more than 2^53 - 1')
    await expect(sql`select heavy_hitters_merge_all(array[${most}::jsonb], 0)`.execute(test.db)).rejects.toThrow(
      'capacity must be from 1 to 65536, got 0',
    )
  })
})
