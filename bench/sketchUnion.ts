import { sql, type Kysely } from 'kysely'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { openTarget, seconds } from './target.ts'

const rows = 5000
const runs = 5

/**
 * The union of sketches by the functions of sql/ against the extension's, over the same rows in one run: all of them as one, and in 200 groups. Once with registers
 * in full in every row, once in three of five with values and sparse registers between them. On a server with the extension only.
 */
export async function* sketchUnion({ url }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (url === undefined) return
  const { db, close } = await openTarget(url)
  try {
    await sql`create extension if not exists hll`.execute(db)
    for (const [name, sizes] of [
      ['', [3000]],
      ['mixed_', [3000, 100, 3000, 300, 3000]],
    ] as const) {
      await fill(db, sizes)
      yield { figure: `sketch.union.${name}sql_vs_hll`, value: await ratio(db, 1), unit: 'x' }
      yield { figure: `sketch.union.${name}groups_sql_vs_hll`, value: await ratio(db, 200), unit: 'x' }
    }
  } finally {
    await close()
  }
}

async function fill(db: Kysely<{}>, sizes: readonly number[]): Promise<void> {
  await sql`drop table if exists visit_sketch`.execute(db)
  await sql`
    create table visit_sketch as
    select part, hll_send(hll_add_agg(hll_hash_integer(part * 1000 + value))) as sketch
    from generate_series(1, ${sql.lit(rows)}) as part,
      generate_series(1, (array[${sql.join(sizes.map((size) => sql.lit(size)))}])[part % ${sql.lit(sizes.length)} + 1]) as value
    group by part
  `.execute(db)
  await sql`analyze visit_sketch`.execute(db)
}

async function ratio(db: Kysely<{}>, groups: number): Promise<number> {
  const unite = (union: string) => sql<{ sketches: string[] }>`
    select array_agg(md5(sketch) order by part) as sketches
    from (select part % ${sql.lit(groups)} as part, ${sql.raw(union)} as sketch from visit_sketch group by 1) as united
  `
  const [ours, theirs] = [unite('hyperloglog_merge(sketch)'), unite('hll_send(hll_union_agg(sketch::hll))')]
  const [made, expected] = [await ours.execute(db), await theirs.execute(db)]
  if (String(made.rows[0]!.sketches) !== String(expected.rows[0]!.sketches))
    throw new Error('sketch: a union by our functions is not the one of the extension')
  const took: { ours: number; theirs: number }[] = []
  for (let run = 0; run < runs; run += 1) {
    took.push({ ours: await seconds(() => ours.execute(db)), theirs: await seconds(() => theirs.execute(db)) })
  }
  return Math.min(...took.map(({ ours }) => ours)) / Math.min(...took.map(({ theirs }) => theirs))
}
