/**
 * `node test/support/hll/writeVectors.ts URL`: asks a server with the extension `hll` what it makes of some values, and writes that to
 * test/unit/sketch/hll/vectors.json, which the unit tests compare with. Run it to have more vectors, not because a test fails.
 */
import { writeFile } from 'node:fs/promises'
import { sql } from 'kysely'
import { openTarget } from '../../../bench/target.ts'
import type { HllVectors } from './hllVectors.ts'

const [url] = process.argv.slice(2)
if (url === undefined) throw new Error('usage: node test/support/hll/writeVectors.ts URL')
const { db, close } = await openTarget(url, { migrate: async (db) => sql`create extension hll`.execute(db) })
try {
  const hashes: HllVectors['hashes'] = []
  for (const [type, value, seed] of [
    ['text', '', 0],
    ['text', 'hello world', 0],
    ['text', 'fifteen letters', 0],
    ['text', 'sixteen  letters', 0],
    ['text', 'seventeen letters', 0],
    ['text', 'ünïcödé 数据库 🐘', 0],
    ['text', 'hello world', 2_147_483_647],
    ['text', 'hello world', -1],
    ['bytea', '\\x', 1],
    ['bytea', '\\x00', 0],
    ['bytea', '\\x00ff7f80', 0],
    ['boolean', 'true', 0],
    ['boolean', 'false', 0],
    ['smallint', '5', 0],
    ['smallint', '-32768', 0],
    ['integer', '5', 0],
    ['integer', '-2147483648', 7],
    ['bigint', '5', 0],
    ['bigint', '-1', 0],
    ['bigint', '9007199254740993', 0],
    ['bigint', '-9223372036854775808', 12_487],
  ] as const) {
    const call = sql<{ hash: string }>`select ${sql.id(`hll_hash_${type}`)}(${value}::${sql.raw(type)}, ${sql.lit(seed)}) as hash`
    hashes.push({ type, value, seed, hash: (await call.execute(db)).rows[0]!.hash })
  }

  const sketches: HllVectors['sketches'] = []
  for (const [parameters, counts] of [
    [{ log2m: 11, regwidth: 5, expthresh: -1, sparseon: 1 }, [0, 1, 160, 161, 643, 5_000]],
    [{ log2m: 8, regwidth: 5, expthresh: 8, sparseon: 1 }, [8, 9, 60, 200, 700, 100_000]],
    [{ log2m: 8, regwidth: 5, expthresh: 0, sparseon: 0 }, [0, 1]],
    [{ log2m: 6, regwidth: 4, expthresh: -1, sparseon: 1 }, [4, 5, 40, 60_000]],
    [{ log2m: 5, regwidth: 6, expthresh: 1, sparseon: 1 }, [1, 2, 100]],
    [{ log2m: 4, regwidth: 4, expthresh: 0, sparseon: 1 }, [1, 10, 100, 5_000]],
  ] as const) {
    const { log2m, regwidth, expthresh, sparseon } = parameters
    for (const count of counts) {
      const { rows } = await sql<{ bytes: string; cardinality: number }>`
        select sketch as bytes, hll_cardinality(sketch) as cardinality
        from (
          select coalesce(hll_add_agg(hll_hash_integer(value), ${sql.lit(log2m)}, ${sql.lit(regwidth)}, ${sql.lit(expthresh)}, ${sql.lit(sparseon)}),
            hll_empty(${sql.lit(log2m)}, ${sql.lit(regwidth)}, ${sql.lit(expthresh)}, ${sql.lit(sparseon)}))
          from generate_series(1, ${sql.lit(count)}) as value
        ) as made (sketch)`.execute(db)
      const { bytes, cardinality } = rows[0]!
      sketches.push({ ...parameters, count, bytes, cardinality: Number.isNaN(cardinality) ? null : cardinality })
    }
  }
  await writeFile('test/unit/sketch/hll/vectors.json', `${JSON.stringify({ hashes, sketches } satisfies HllVectors, null, 1)}\n`)
} finally {
  await close()
}
