import fc from 'fast-check'
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { Hll, hllCardinality, hllOverlap, hllUnion, type HllOverlap, type HllOverlapRow } from '../../../src/sketch/index.ts'
import { apartFromTime, freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'

/** Sketches of the integers from 1 to 1, 2, 3 and 40 with 16 registers, as hll_add_agg makes them, and what hll_union_agg and hll_cardinality make of those. */
const golden: readonly (readonly [name: string, parts: readonly string[], union: string, cardinality: number])[] = [
  ['values', ['\\x1284428895a3f5af28cafe', '\\x1284428895a3f5af28cafeda0ce907e4355b60'], '\\x1284428895a3f5af28cafeda0ce907e4355b60', 2],
  ['sparse registers', ['\\x138440e080', '\\x138440017040'], '\\x138440017040', 2.136502281992361],
  ['values and sparse registers', ['\\x1284428895a3f5af28cafe', '\\x13844201587820'], '\\x13844201587820', 3.3222298364519127],
  [
    'values and registers',
    ['\\x1284428895a3f5af28cafeda0ce907e4355b60', '\\x14844228821110631046310441'],
    '\\x14844228821110631046310441',
    39.663424460431656,
  ],
]

apartFromTime('HyperLogLog in SQL', () => {
  let test: TestDatabase
  let scope: Scope
  let withoutExtension: Scope
  beforeAll(async () => {
    test = await freshDatabase()
    if (leg.name === 'server') await sql`create extension if not exists hll`.execute(test.db)
    scope = await tenantScope(test.db, (await tenant(test.db)).tenantCode)
    withoutExtension = { ...scope, hllSchema: null }
  })
  afterAll(() => test.close())

  const stored = ({ db }: { db: Kysely<{}> }, sketches: readonly (string | null)[]) =>
    db.selectFrom(
      sql<{ sketch: Uint8Array | null; position: number }>`
        (select sketch::bytea as sketch, position::int4 as position from unnest(${sketches}::text[]) with ordinality as given (sketch, position))
      `.as('row'),
    )

  interface Answer {
    union: string | null
    classic: number | null
    ertl: number | null
  }

  const answerOf = async (by: Scope, sketches: readonly (string | null)[]): Promise<Answer> =>
    stored(by, sketches)
      .select(({ ref }) => {
        const union = hllUnion(by, ref('row.sketch'))
        return [
          sql<string | null>`${union}::text`.as('union'),
          hllCardinality(by, union).as('classic'),
          hllCardinality(by, union, { estimator: 'ertl' }).as('ertl'),
        ]
      })
      .executeTakeFirstOrThrow()

  const unionOf = (sketches: readonly Hll[]) => sketches.reduce((all, sketch) => all.union(sketch))

  /** Sketches of one kind of parameters, of a few values and of many. */
  const sketches = fc
    .record({
      log2m: fc.constantFrom(4, 5, 8, 11),
      regwidth: fc.constantFrom(1, 2, 3, 4, 5, 5, 5, 6, 8),
      expthresh: fc.constantFrom(-1, -1, 0, 2, 16),
      sparseon: fc.constantFrom<0 | 1>(1, 1, 0),
      sizes: fc.array(fc.oneof(fc.nat({ max: 8 }), fc.nat({ max: 80 }), fc.nat({ max: 3000 })), { minLength: 1, maxLength: 5 }),
      from: fc.integer({ min: 0, max: 1e6 }),
      step: fc.constantFrom(0, 1, 50, 5000),
    })
    .map(({ sizes, from, step, ...parameters }) =>
      sizes.map((size, nth) => {
        const sketch = Hll.create(parameters)
        for (let at = 0; at < size; at += 1) sketch.add(from + nth * step + at)
        return sketch
      }),
    )

  it('unites to the byte, and estimates, as TypeScript does, whatever the representations', async () => {
    await fc.assert(
      fc.asyncProperty(sketches, async (given) => {
        const union = unionOf(given)
        const text = given.map(String)
        for (const [by, parts] of [
          [withoutExtension, text],
          [withoutExtension, [null, ...text.toReversed(), ...text]],
          [scope, text],
        ] as const) {
          // In such a sketch the bits that fill the last byte can be a whole word of zeros, which
          // the extension takes for register 0.
          if (by.hllSchema !== null && union.log2m + union.regwidth < 8) continue
          const answer = await answerOf(by, parts)
          expect(answer.union).toBe(union.toString())
          near(answer.ertl, union.cardinality({ estimator: 'ertl' }), 1e-12)
          // The extension answers NaN for wide registers.
          if (by.hllSchema === null || union.regwidth < 6) near(answer.classic, union.cardinality(), leg.name === 'server' ? 0 : 3e-16)
        }
      }),
      { numRuns: leg.name === 'server' ? 150 : 60 },
    )
  })

  const overlapOf = (a: string | null, b: string | null): Promise<HllOverlapRow> =>
    scope.db
      .selectFrom(sql<{ a: Uint8Array | null; b: Uint8Array | null }>`(select ${a}::text::bytea as a, ${b}::text::bytea as b)`.as('pair'))
      .innerJoinLateral(
        ({ ref }) => hllOverlap(scope, ref('pair.a'), ref('pair.b')).as('overlap'),
        (join) => join.onTrue(),
      )
      .selectAll('overlap')
      .executeTakeFirstOrThrow()

  const errorOf = async (sketch: Hll) => {
    const { rows } = await sql<{ error: number | null }>`
      select hyperloglog_ertl_error(sketch, hyperloglog_ertl(sketch)) as error from (select ${sketch.toString()}::text::bytea as sketch) as given
    `.execute(test.db)
    return rows[0]!.error
  }

  it('says what two have in common, and how exact that is, as TypeScript does', async () => {
    await fc.assert(
      fc.asyncProperty(sketches, async (given) => {
        const [a, b] = [unionOf(given.filter((_, nth) => nth % 2 === 0)), unionOf([given.at(-1)!, ...given.slice(1, 2)])]
        expectOverlap(await overlapOf(a.toString(), b.toString()), a.overlap(b))
        const { standardError } = a.estimate({ estimator: 'ertl' })
        near(await errorOf(a), standardError, 1e-6)
      }),
      { numRuns: leg.name === 'server' ? 200 : 80 },
    )
  })

  it.each([
    [90_000, 90_000, 10_000],
    [99_000, 99_000, 1_000],
    [50_000, 50_000, 0],
    [0, 40_000, 20_000],
    [0, 0, 30_000],
    [200_000, 50, 100],
    [200_000, 0, 100],
    [1_000_000, 1_000, 500],
    [100, 100, 60],
    [600, 600, 200],
  ])('says of %s, %s and %s common values what TypeScript says', async (onlyA, onlyB, both) => {
    const [a, b] = [Hll.create(), Hll.create()]
    for (let value = 0; value < onlyA + both; value += 1) a.add(value)
    for (let value = onlyA; value < onlyA + both + onlyB; value += 1) b.add(value)
    expectOverlap(await overlapOf(a.toString(), b.toString()), a.overlap(b))
    expectOverlap(await overlapOf(b.toString(), a.toString()), b.overlap(a))
  })

  it('has nothing in common with what says nothing', async () => {
    const some = Hll.create().add('a').toString()
    const full = Hll.create({ log2m: 4, regwidth: 1, expthresh: 0 })
    for (let value = 0; value < 1_000; value += 1) full.add(value)
    for (const [a, b] of [
      [some, null],
      [null, some],
      ['\\x108b7f', some],
      [full.toString(), full.toString()],
    ] as const)
      expect(new Set(Object.values(await overlapOf(a, b)))).toEqual(new Set([null]))
    await expect(overlapOf(some, Hll.create({ log2m: 10 }).toString())).rejects.toThrow('sketches of different parameters: log2m 11')
  })

  it.runIf(leg.name === 'server')('is what the extension makes, of many groups and more rows than are collected at once', async () => {
    const { rows } = await sql<{ groups: number; united: number; counted: number }>`
      with
        part as materialized (
          select part % groups as of_group, hll_send(hll_add_agg(hll_hash_integer(part * 100 + value))) as sketch, groups
          from unnest(array[1, 9]) as groups, generate_series(1, 150) as part, generate_series(1, case part % 5 when 0 then 40 when 1 then 300 else 1500 end) as value
          group by part, groups
        ),
        united as (
          select hyperloglog_merge(sketch) as ours, hll_union_agg(sketch::hll) as theirs from part group by groups, of_group
        )
      select count(*)::int4 as groups, (count(*) filter (where ours = hll_send(theirs)))::int4 as united,
        (count(*) filter (where hyperloglog_cardinality(ours) = hll_cardinality(theirs)))::int4 as counted
      from united
    `.execute(test.db)
    expect(rows).toEqual([{ groups: 10, united: 10, counted: 10 }])
  })

  it.each(golden)('gives what a server with the extension gave of %s', async (...given) => {
    const [, sketches, union, classic] = given
    for (const by of [scope, withoutExtension]) {
      const answer = await answerOf(by, sketches)
      expect(answer.union).toBe(union)
      near(answer.classic, classic, leg.name === 'server' ? 0 : 3e-16)
    }
  })

  it('is null where there is no sketch', async () => {
    for (const by of [scope, withoutExtension]) {
      expect(await answerOf(by, [])).toEqual({ union: null, classic: null, ertl: null })
      expect(await answerOf(by, [null, null])).toEqual({ union: null, classic: null, ertl: null })
      expect(await answerOf(by, ['\\x108b7f', '\\x118b7f'])).toEqual({ union: '\\x108b7f', classic: null, ertl: null })
      expect(await answerOf(by, ['\\x118b7f', null])).toEqual({ union: '\\x118b7f', classic: 0, ertl: 0 })
    }
  })

  it.each([
    ['\\x', 'a sketch has at least 3 bytes'],
    ['\\x118b', 'a sketch has at least 3 bytes'],
    ['\\x218b7f', 'a sketch begins with a byte from 10 to 14'],
    ['\\x158b7f', 'a sketch begins with a byte from 10 to 14'],
    ['\\x11837f', 'log2m must be between 4 and 17, got 3'],
    ['\\x11927f', 'log2m must be between 4 and 17, got 18'],
    ['\\x118b61', 'the explicit threshold must be 63 or at most 31'],
    ['\\x118bff', 'the explicit threshold must be 63 or at most 31'],
    ['\\x118b7f00', 'a sketch of nothing has 3 bytes, got 4'],
    ['\\x128b7f00000000000000', 'have 8 bytes each'],
    ['\\x128b7f00000000000000020000000000000001', 'must ascend'],
    ['\\x128b7f00000000000000020000000000000002', 'must ascend'],
    ['\\x138b7f0001ff', 'a register of a sparse sketch has 16 bits'],
    ['\\x138b7f0020', 'must be from 1 to 31'],
    ['\\x148b7f00', '2048 registers of 5 bits take 1283 bytes, got 4'],
  ])('raises for %s: %s', async (sketch, reason) => {
    await expect(answerOf(withoutExtension, [sketch])).rejects.toThrow(reason)
    await expect(answerOf(withoutExtension, ['\\x118b7f', sketch, '\\x118b7f'])).rejects.toThrow(reason)
  })

  it('refuses sketches of different parameters, naming them', async () => {
    const [a, b] = [Hll.create({ log2m: 10 }).add('a'), Hll.create({ log2m: 11, sparseon: 0 }).add('b')]
    await expect(answerOf(withoutExtension, [a, b].map(String))).rejects.toThrow(
      'sketches of different parameters: log2m 10, regwidth 5, expthresh -1, sparseon 1 and 11, 5, -1, 0',
    )
    await expect(answerOf(scope, [a, b].map(String))).rejects.toThrow(/parameters|does not match/)
  })
})

function near(actual: number | null, expected: number, tolerance: number): void {
  if (Number.isFinite(expected)) expect(Math.abs(actual! - expected)).toBeLessThanOrEqual(Math.abs(expected) * tolerance)
  else expect(actual).toBe(expected)
}

function expectOverlap(row: HllOverlapRow, expected: HllOverlap): void {
  const pairs = {
    a_count: expected.a,
    b_count: expected.b,
    union_count: expected.union,
    intersection_count: expected.intersection,
    jaccard: expected.jaccard,
    a_share: expected.shareOfA,
    b_share: expected.shareOfB,
  } as const
  for (const [name, { estimate, standardError }] of Object.entries(pairs)) {
    const error = row[`${name.replace(/_count$/, '')}_standard_error` as keyof HllOverlapRow]
    if (Number.isNaN(estimate)) {
      expect([row[name as keyof typeof pairs], error]).toEqual([null, null])
      continue
    }
    // Where a number is almost 0, what it is made of decides how exact it is.
    const scale = name.endsWith('_count') ? expected.union.estimate : 1
    for (const [given, one] of [
      [row[name as keyof typeof pairs], estimate],
      [error, standardError],
    ] as const)
      expect(Math.abs(given - one)).toBeLessThanOrEqual(1e-6 * one + 1e-7 * scale)
  }
}
