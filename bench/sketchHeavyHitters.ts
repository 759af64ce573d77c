import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { sql } from 'kysely'
import { HeavyHitters } from '../src/sketch/heavyHitters/heavyHitters.ts'
import { compareBytes } from '../src/schema/compareBytes.ts'
import { zipf } from '../test/support/zipf.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { openTarget, seconds } from './target.ts'

const parts = 288

/**
 * Heavy hitters of items by Zipf's law (exponent 1.1, a million of them) in 288 parts, as five minutes make a day, against exact counting of the same items; and what
 * ten million items that never come again take in memory, the worst there is.
 */
export async function* heavyHitters({ url, rows = 1_000_000 }: BenchmarkOptions): AsyncGenerator<Figure> {
  // First, while nothing else is held.
  yield { figure: 'sketch.heavy.memory_10m', value: memoryOf(10_000_000), unit: 'MB' }

  const draw = zipf(1.1, 1_000_000)
  const items = Array.from({ length: rows }, () => `item ${draw()}`)
  const whole = HeavyHitters.create()
  const adding = await seconds(async () => {
    for (const item of items) whole.add(item)
  })
  yield { figure: 'sketch.heavy.add.per_s', value: rows / adding, unit: 'items/s' }

  const exact = new Map<string, number>()
  const counting = await seconds(async () => {
    for (const item of items) exact.set(item, (exact.get(item) ?? 0) + 1)
  })
  yield { figure: 'sketch.heavy.add.vs_exact', value: adding / counting, unit: 'x' }

  const sketches = Array.from({ length: parts }, () => HeavyHitters.create())
  items.forEach((item, at) => sketches[Math.floor((at * parts) / rows)]!.add(item))
  const stored = sketches.map(String)
  let merged = HeavyHitters.create()
  const merging = await seconds(async () => {
    merged = HeavyHitters.merge(stored.map((text) => JSON.parse(text)))
  })
  yield { figure: 'sketch.heavy.merge.ms', value: merging * 1000, unit: 'ms' }
  const { n, offset } = merged.toJSON()
  yield { figure: 'sketch.heavy.offset_share', value: offset / n, unit: 'of n' }
  const heaviest = [...exact].sort(([a, countA], [b, countB]) => countB - countA || compareBytes(a, b)).slice(0, 20)
  const named = new Map(merged.top(20).map((row) => [row.item, row]))
  yield { figure: 'sketch.heavy.found_of_20', value: heaviest.filter(([item]) => named.has(item)).length, unit: 'items' }
  yield { figure: 'sketch.heavy.certain_of_20', value: [...named.values()].filter(({ certain }) => certain).length, unit: 'items' }
  const errors = heaviest.map(([item, count]) => (count - (named.get(item)?.min_count ?? 0)) / n)
  yield { figure: 'sketch.heavy.largest_error_of_20', value: Math.max(...errors), unit: 'of n' }

  const target = await openTarget(url)
  try {
    await sql`create table heavy_part (position int4, sketch jsonb)`.execute(target.db)
    await sql`insert into heavy_part select position, sketch::jsonb from unnest(${stored}::text[]) with ordinality as given (sketch, position)`.execute(
      target.db,
    )
    const merge = sql<{ text: string }>`select heavy_hitters_merge(sketch)::text as text from heavy_part`
    const { rows: answers } = await merge.execute(target.db)
    if (answers[0]!.text !== merged.toString()) throw new Error('heavy hitters merged in SQL differ from those merged in TypeScript')
    yield { figure: 'sketch.heavy.sql_merge.ms', value: 1000 * (await seconds(() => merge.execute(target.db))), unit: 'ms' }
  } finally {
    await target.close()
  }
}

/** How much more memory is held, in MB, after so many different items. */
function memoryOf(count: number): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  const sketch = HeavyHitters.create()
  const add = (from: number, to: number) => {
    for (let id = from; id < to; id += 1) sketch.add(`item ${id}`)
  }
  add(0, count / 1000)
  collect()
  collect()
  const before = process.memoryUsage().heapUsed
  add(count / 1000, count)
  collect()
  collect()
  return (process.memoryUsage().heapUsed - before) / 1e6
}
