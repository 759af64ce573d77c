import { CamelCasePlugin, sql, type Kysely } from 'kysely'
import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { rankBy } from '../../../src/ranking/rankBy.ts'
import { topK } from '../../../src/ranking/topK.ts'
import { anomalies } from '../../../src/series/anomalies/anomalies.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { apartFromTime, tenant, type TestDatabase } from '../../support/leg.ts'
import { expectNarrows } from '../../support/narrowed.ts'
import { bucketAt, frameOf, points } from '../../support/points.ts'

/** A database of the user's own, with a table that we know nothing of. */
type Theirs = { owner: { service: string; team: string; page_count: string; budget: number | null } }

apartFromTime('ranking', () => {
  let test: TestDatabase
  let scope: Scope
  let theirs: Kysely<Theirs>
  beforeAll(async () => {
    test = await cleanDatabase()
    scope = await tenant(test.db)
    await sql`create table owner (service text, team text, page_count int8, budget float8)`.execute(test.db)
    await sql`insert into owner values ('a', 'red', 10, 0.5), ('b', 'blue', 9007199254740993, null), ('c', 'red', 10, 'NaN'), ('"; --', 'x', 2, 0.1)`.execute(
      test.db,
    )
    theirs = test.db.$extendTables<Theirs>()
  })
  afterAll(() => test.close())

  const items = (rows: readonly { item: unknown }[]) => rows.map(({ item }) => item)

  describe('rankBy', () => {
    it("makes a ranking of the user's own query, with all its columns", async () => {
      const ranking = rankBy(scope, theirs.selectFrom('owner').selectAll().where('team', '=', 'red').where('service', '=', 'a'), {
        item: 'service',
        score: 'page_count',
      })
      expect(await ranking.execute()).toEqual([{ service: 'a', team: 'red', page_count: '10', budget: 0.5, item: 'a', score: 10 }])
    })

    it('is narrowed in SQL as in TypeScript', () =>
      expectNarrows(
        rankBy(scope, theirs.selectFrom('owner').selectAll().orderBy('service'), { item: 'service', score: 'page_count' }),
        (eb) => eb('score', '>', 5),
        (row) => row.score !== null && row.score > 5,
      ))

    it('works on a query made through plugins', async () => {
      const camel = test.db.withPlugin(new CamelCasePlugin()).$extendTables<{ owner: { service: string; pageCount: string } }>()
      const query = camel
        .selectFrom('owner')
        .select(['service', 'pageCount'])
        .where('service', '=', 'a')
        .$castTo<{ service: string; page_count: string }>()
      expect(items(await rankBy(scope, query, { item: 'service', score: 'page_count' }).execute())).toEqual(['a'])
    })
  })

  describe('topK', () => {
    const ranked = (column: 'page_count' | 'budget') =>
      rankBy(scope, theirs.selectFrom('owner').selectAll(), { item: 'service', score: column })

    it('has the highest first, and breaks ties by item', async () => {
      expect(items(await topK(scope, ranked('page_count'), 3).execute())).toEqual(['b', 'a', 'c'])
      expect(items(await topK(scope, ranked('page_count'), 1).execute())).toEqual(['b'])
    })

    it('gives all rows when there are fewer', async () => {
      expect(await topK(scope, ranked('page_count'), 1_000).execute()).toHaveLength(4)
    })

    it('ranks null and NaN last', async () => {
      expect(items(await topK(scope, ranked('budget'), 4).execute())).toEqual(['a', '"; --', 'b', 'c'])
    })

    it('is one statement over what it ranks', async () => {
      const calm = [10, 12, 11, 9, 10, 11, 10, 12, 9, 10, 11, 10]
      const frame = frameOf(scope, [...points('a', [...calm, 30, 10, 2]), ...points('b', [...calm, 90])])
      const worst = topK(scope, anomalies(scope, frame), 2)
      expect(await worst.execute()).toMatchObject([
        { item: 'b', bucket: bucketAt(12), value: 90, direction: 'up' },
        { item: 'a', bucket: bucketAt(12), value: 30, direction: 'up' },
      ])
    })

    it('takes two rows of one item as two, in an order of their own', async () => {
      const twice = scope.db
        .selectFrom(
          sql<{
            item: string
            score: number
            note: string
          }>`(values ('a', 1.0::float8, 'y'), ('a', 1.0, 'x'), ('a', 1.0, 'z'))`.as<'given'>(sql`given (item, score, note)`),
        )
        .selectAll('given')
      expect((await topK(scope, twice, 2).execute()).map(({ note }) => note)).toEqual(['x', 'y'])
    })

    it('has the same beginning for every k', async () => {
      await fc.assert(
        fc.asyncProperty(fc.array(fc.integer({ min: 0, max: 3 }), { minLength: 1, maxLength: 12 }), fc.nat(11), async (scores, cut) => {
          const rows = scores.map((score, index) => ({ item: `i${index}`, score }))
          const frame = scope.db
            .selectFrom(
              sql<{ item: string; score: number }>`jsonb_to_recordset(${JSON.stringify(rows)}::jsonb)`.as<'given'>(
                sql`given (item text, score float8)`,
              ),
            )
            .selectAll('given')
          const all = await topK(scope, frame, 100).execute()
          const k = 1 + (cut % scores.length)
          expect(all.map(({ score }) => score)).toEqual([...scores].sort((a, b) => b - a))
          expect(await topK(scope, frame, k).execute()).toEqual(all.slice(0, k))
        }),
        { numRuns: 30 },
      )
    })

    it('is narrowed in SQL as in TypeScript: what is left of the k, not another k', () =>
      expectNarrows(
        topK(scope, ranked('page_count'), 3),
        (eb) => eb('team', '=', 'red'),
        (row) => row.team === 'red',
      ))

    it.each([0, -1, 1.5, Number.NaN, Infinity])('refuses k = %d', (k) => {
      expect(() => topK(scope, ranked('budget'), k)).toThrow(/^k: /)
    })
  })
})
