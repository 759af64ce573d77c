import { sql, type Kysely } from 'kysely'
import { Hll, hashText } from '../src/sketch/index.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { heavyHitters } from './sketchHeavyHitters.ts'
import { sketchDistinct } from './sketchDistinct.ts'
import { sketchUnion } from './sketchUnion.ts'
import { openTarget, seconds } from './target.ts'

/**
 * Sketches against the extension `hll`, in one run on the same values; what needs it is left out where no server is given (`--url`).
 *
 * A figure is the median of some runs, ours and the extension's by turns.
 */
export async function* sketch({ url, rows = 1_000_000 }: BenchmarkOptions): AsyncGenerator<Figure> {
  yield* addHash(rows)
  yield* add(url, rows)
  yield* heavyHitters({ url, rows })
  yield* sketchUnion({ url })
  yield* sketchDistinct({ url })
}

const runs = 7

/** Adds of hashes that are there already, a second. */
async function* addHash(rows: number): AsyncGenerator<Figure> {
  const hashes = Array.from({ length: rows }, (_, at) => hashText(valueOf(at)))
  const took: number[] = []
  for (let run = 0; run < runs; run += 1) {
    const made = Hll.create()
    took.push(await seconds(async () => hashes.forEach((hash) => made.addHash(hash))))
  }
  yield { figure: 'sketch.add_hash.per_s', value: rows / median(took), unit: 'values/s' }
}

/** Adds of texts, which are hashed for it, a second; and against the extension, over a table of the same texts. */
async function* add(url: string | undefined, rows: number): AsyncGenerator<Figure> {
  const values = Array.from({ length: rows }, (_, at) => valueOf(at))
  let made = Hll.create()
  const ours = () =>
    seconds(async () => {
      made = Hll.create()
      for (const value of values) made.add(value)
    })
  if (url === undefined) {
    const took: number[] = []
    for (let run = 0; run < runs; run += 1) took.push(await ours())
    yield { figure: 'sketch.add.per_s', value: rows / median(took), unit: 'values/s' }
    return
  }
  const { db, close } = await openTarget(url, { migrate: (db) => sql`create extension hll`.execute(db) })
  try {
    await fill(db, values)
    let theirs = ''
    const took: { ours: number; theirs: number }[] = []
    for (let run = 0; run < runs; run += 1)
      took.push({
        ours: await ours(),
        theirs: await seconds(async () => {
          const { rows } = await sql<{ made: string }>`select hll_add_agg(hll_hash_text(value)) as made from visit`.execute(db)
          theirs = rows[0]!.made
        }),
      })
    if (made.toString() !== theirs) throw new Error('sketch: our sketch is not the one that the extension makes of the same values')
    yield { figure: 'sketch.add.per_s', value: rows / median(took.map(({ ours }) => ours)), unit: 'values/s' }
    yield { figure: 'sketch.add.extension_per_s', value: rows / median(took.map(({ theirs }) => theirs)), unit: 'values/s' }
    yield { figure: 'sketch.add.vs_extension', value: median(took.map(({ ours, theirs }) => theirs / ours)), unit: 'x' }
  } finally {
    await close()
  }
}

/** Texts as long as ids of users are. */
const valueOf = (at: number) => `user-${at}@example.com`

async function fill(db: Kysely<{}>, values: readonly string[]): Promise<void> {
  await sql`create table visit (value text)`.execute(db)
  for (let at = 0; at < values.length; at += 100_000)
    await sql`insert into visit select unnest(${values.slice(at, at + 100_000)}::text[])`.execute(db)
  await sql`vacuum analyze visit`.execute(db)
}

const median = (values: readonly number[]) => values.toSorted((a, b) => a - b)[values.length >> 1]!
