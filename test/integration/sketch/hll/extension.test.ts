import fc from 'fast-check'
import { sql, type Kysely } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import {
  Hll,
  hashBigint,
  hashBoolean,
  hashBytes,
  hashInteger,
  hashSmallint,
  hashText,
  type HllOptions,
} from '../../../../src/sketch/index.ts'
import { hashes, parameterSets, sketchOf } from '../../../support/hll/arbitraryHashes.ts'
import { freshDatabase, leg, type TestDatabase } from '../../../support/leg.ts'

/*
 * Our sketches against postgresql-hll's own: the same bytes and the same doubles, in both
 * directions. The extension is on the server leg.
 */

describe.skipIf(!leg.available || leg.name !== 'server')('a sketch and the extension hll', () => {
  let test: TestDatabase
  let db: Kysely<{}>
  beforeAll(async () => {
    test = await freshDatabase({ migrated: false })
    db = test.db
    await sql`create extension hll`.execute(db)
  })
  afterAll(() => test.close())

  const one = async <Row>(query: ReturnType<typeof sql<Row>>): Promise<Row> => (await query.execute(db)).rows[0]!

  /** The hashes added one after another by the extension. */
  const added = (values: readonly bigint[], { log2m, regwidth, expthresh, sparseon }: Required<HllOptions>) => sql`(
    select coalesce(hll_add_agg(hll_hashval(value), ${log2m}::int, ${regwidth}::int, ${expthresh}::bigint, ${sparseon}::int),
      hll_empty(${log2m}::int, ${regwidth}::int, ${expthresh}::bigint, ${sparseon}::int))
    from unnest(${values.map(String)}::bigint[]) as hash (value)
  )`

  /** What the extension says of registers too wide for it is NaN; see `cardinality`. */
  const expectCardinality = (ours: number, theirs: number, { regwidth }: Required<HllOptions>) => {
    if (regwidth > 5 && Number.isNaN(theirs)) expect(ours).toBeGreaterThan(0)
    else expect(ours).toBe(theirs)
  }

  it.each(parameterSets)('are one after any adds: $log2m, $regwidth, $expthresh, $sparseon', async (parameters) => {
    await fc.assert(
      fc.asyncProperty(hashes, fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }), async (values, more) => {
        const theirs = await one(
          sql<{ sketch: string; cardinality: number; more: string; type: number }>`
            select sketch, hll_cardinality(sketch) as cardinality, hll_type(sketch) as type, hll_add(sketch, hll_hashval(${String(more)}::bigint)) as more
            from (select ${added(values, parameters)}) as made (sketch)`,
        )
        const ours = sketchOf(parameters, values)
        expect(ours.toString()).toBe(theirs.sketch)
        expect(ours.representation).toBe(['undefined', 'empty', 'explicit', 'sparse', 'full'][theirs.type])
        expectCardinality(ours.cardinality(), theirs.cardinality, parameters)
        expect(Hll.fromString(theirs.sketch).addHash(more).toString()).toBe(theirs.more)
      }),
      { numRuns: 40 },
    )
  })

  it.each(parameterSets)('are one after any unions: $log2m, $regwidth, $expthresh, $sparseon', async (parameters) => {
    await fc.assert(
      fc.asyncProperty(hashes, hashes, hashes, async (a, b, c) => {
        const [first, second, third] = [a, b, c].map((values) => sketchOf(parameters, values)) as [Hll, Hll, Hll]
        const theirs = await one(
          sql<{ pair: string; all: string; cardinality: number }>`
            select hll_union(sketches[1], sketches[2]) as pair, "all", hll_cardinality("all") as cardinality
            from (select ${[first, second, third].map(String)}::text[]::hll[]) as given (sketches),
              lateral (select hll_union_agg(sketch) from unnest(sketches) as each (sketch)) as united ("all")`,
        )
        expect(first.union(second).toString()).toBe(theirs.pair)
        expect(first.union(second).union(third).toString()).toBe(theirs.all)
        expectCardinality(first.union(second).union(third).cardinality(), theirs.cardinality, parameters)
      }),
      { numRuns: 40 },
    )
  })

  it('have the same cardinality wherever linear counting ends and registers fill up', async () => {
    const values = Array.from({ length: 12_000 }, (_, at) => hashInteger(at))
    const { rows } = await sql<{ sketch: string; cardinality: number }>`
      select sketch, hll_cardinality(sketch) as cardinality from (
        select hll_add_agg(hll_hash_integer(value)) over (order by value) as sketch, value from generate_series(0, 11999) as value
      ) as growing where value % 40 = 39 order by value`.execute(db)
    const sketch = Hll.create()
    for (const [at, theirs] of rows.entries()) {
      for (const value of values.slice(40 * at, 40 * at + 40)) sketch.addHash(value)
      expect(sketch.cardinality()).toBe(theirs.cardinality)
    }
    expect(sketch.toString()).toBe(rows.at(-1)!.sketch)
  })

  it('hash alike', async () => {
    const seed = fc.integer({ min: 0 })
    await fc.assert(
      fc.asyncProperty(
        fc.string({ unit: 'binary', maxLength: 80 }).filter((text) => !text.includes('\0')),
        fc.uint8Array({ maxLength: 80 }),
        fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n - 1n }),
        fc.integer(),
        seed,
        async (text, bytes, big, int, seed) => {
          const small = int >> 16
          const theirs = await one(
            sql<
              Record<string, string>
            >`select hll_hash_text(${text}, ${seed}) as text, hll_hash_bytea(${Buffer.from(bytes)}, ${seed}) as bytea,
              hll_hash_bigint(${String(big)}::bigint, ${seed}) as bigint, hll_hash_integer(${int}::int, ${seed}) as integer,
              hll_hash_smallint(${small}::smallint, ${seed}) as smallint, hll_hash_boolean(${int > 0}, ${seed}) as boolean`,
          )
          expect({
            text: hashText(text, seed),
            bytea: hashBytes(bytes, seed),
            bigint: hashBigint(big, seed),
            integer: hashInteger(int, seed),
            smallint: hashSmallint(small, seed),
            boolean: hashBoolean(int > 0, seed),
          }).toEqual(Object.fromEntries(Object.entries(theirs).map(([type, hash]) => [type, BigInt(hash)])))
        },
      ),
      { numRuns: 200 },
    )
  })

  // citusdata/postgresql-hll#115: sketches written by another library, copied in, could not be read.
  it.each(['text', 'csv', 'binary'])('come out of COPY and go in again as they were, as %s', async (format) => {
    const sketches = parameterSets.flatMap((parameters) =>
      [0, 3, 300, 3_000].map((count) =>
        sketchOf(
          parameters,
          Array.from({ length: count }, (_, at) => hashInteger(at)),
        ).toString(),
      ),
    )
    const file = `/tmp/hll-${test.url!.split('/').at(-1)}.${format}`
    await sql`create table copied (at int, sketch hll)`.execute(db)
    await sql`insert into copied select at, sketch::hll from unnest(${sketches}::text[]) with ordinality as each (sketch, at)`.execute(db)
    await sql`copy copied to ${sql.lit(file)} with (format ${sql.raw(format)})`.execute(db)
    await sql`truncate copied`.execute(db)
    await sql`copy copied from ${sql.lit(file)} with (format ${sql.raw(format)})`.execute(db)
    const { rows } = await sql<{ sketch: string }>`select sketch from copied order by at`.execute(db)
    await sql`drop table copied`.execute(db)
    await sql`copy (select 1) to program ${sql.lit(`rm ${file}`)}`.execute(db)
    expect(rows.map(({ sketch }) => sketch)).toEqual(sketches)
    expect(rows.map(({ sketch }) => Hll.fromString(sketch).toString())).toEqual(sketches)
  })

  // citusdata/postgresql-hll#40, #90: its aggregates hold 128 kB a group, whatever the sketch takes.
  it('of many groups take much memory in a hash aggregate of the extension, but not more than it may have', async () => {
    await sql`create table many as select value % 3000 as key, value from generate_series(1, 30000) as value`.execute(db)
    await sql`analyze many`.execute(db)
    const plan = (settings: Record<string, string>) =>
      db.transaction().execute(async (transaction) => {
        for (const [name, value] of Object.entries(settings)) await sql`select set_config(${name}, ${value}, true)`.execute(transaction)
        const { rows } = await sql<{ 'QUERY PLAN': [{ Plan: { Strategy: string; 'Peak Memory Usage'?: number } }] }>`
          explain (analyze, format json) select key, hll_add_agg(hll_hash_integer(value)) from many group by key`.execute(transaction)
        return rows[0]!['QUERY PLAN'][0].Plan
      })
    const bounded = { work_mem: '4MB', hash_mem_multiplier: '2' }
    expect((await plan(bounded))['Peak Memory Usage']).toBeLessThan(16_000)
    expect((await plan({ ...bounded, work_mem: '1GB' }))['Peak Memory Usage']).toBeGreaterThan(100 * 3_000)
    // Only after the library is loaded, as it is now, is this a setting of its own.
    expect((await plan({ ...bounded, work_mem: '1GB', 'hll.force_groupagg': 'on' })).Strategy).toBe('Sorted')
    await sql`drop table many`.execute(db)
  })

  it('are refused by a column of other parameters, there as here', async () => {
    await sql`create table narrow (sketch hll(13))`.execute(db)
    await expect(sql`insert into narrow values (${Hll.create().add('a').toString()}::hll)`.execute(db)).rejects.toThrow(
      'register count does not match: source uses 2048 and dest uses 8192',
    )
    expect(() => Hll.create({ log2m: 13 }).union(Hll.create())).toThrow('log2m: the two sketches differ: 13 and 11')
    await sql`insert into narrow values (${Hll.create({ log2m: 13 }).add('a').toString()}::hll)`.execute(db)
  })
})
