import { join } from 'node:path'
import { sql } from 'kysely'
import { searchKnowledge } from '../src/knowledge/search/searchKnowledge.ts'
import { buildVectorIndex } from '../src/knowledge/vectorIndex/buildVectorIndex.ts'
import { migrateUp } from '../src/operate/migrate/migrate.ts'
import { seededRandom } from '../src/graph/analysis/seededRandom.ts'
import type { Scope } from '../src/database/scope.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { newTenant, openTarget, seconds } from './target.ts'
import { generatedVectors, vectorSets, type VectorSet } from './vectorSets.ts'

const k = 10

/** The shares of the chunks that a filter keeps, by the name of the figure. */
const shares = [
  ['all', 1],
  ['50', 0.5],
  ['10', 0.1],
  ['1', 0.01],
  ['0_1', 0.001],
] as const

/**
 * How many of the ten nearest a search by embedding finds, without and with filters that keep 50 to 0.1 % of the chunks; how often it gives as many as there
 * are; and what a filter costs. Beside it, in the same run, what most people write: `where ... order by embedding <-> $1 limit 10`.
 *
 * Over each set of `DIR/vectors`, and over 50,000 vectors that are made up (`--rows`); the figures without a set's name are the worst of all sets.
 */
export async function* vector({ data, url, rows = 50_000 }: BenchmarkOptions): AsyncGenerator<Figure> {
  const worst = new Map<string, Figure>()
  for await (const set of allSets(data, rows)) {
    for await (const { figure, value, unit } of figuresOf(set, url)) {
      yield { figure: `vector.${set.name}.${figure}`, value, unit }
      const before = worst.get(figure)?.value ?? value
      const overall = unit === 'of 1' ? Math.min(before, value) : Math.max(before, value)
      worst.set(figure, { figure: `vector.${figure}`, value: overall, unit })
    }
  }
  yield* worst.values()
}

async function* allSets(data: string | undefined, rows: number): AsyncGenerator<VectorSet> {
  if (data !== undefined) yield* vectorSets(join(data, 'vectors'))
  if (rows > 0) yield generatedVectors(rows, 384)
}

async function* figuresOf(set: VectorSet, url: string | undefined): AsyncGenerator<Figure> {
  const { dimension, distance } = set
  const target = await openTarget(url, { migrate: (db) => migrateUp(db, { embeddingDimension: dimension, embeddingDistance: distance }) })
  try {
    const scope = await newTenant(target.db)
    await sql`drop index ${scope.id('idx_kb_vec_hnsw')}`.execute(target.db)
    await fill(scope, set)
    yield { figure: 'build.s', value: await seconds(() => buildVectorIndex(target.db, { memory: '1GB', workers: 2 })), unit: 's' }
    await sql`vacuum analyze ${scope.id('kb_chunk')}`.execute(target.db)
    const found = await measure(scope, set)
    for (const { share, ours, naive } of found) {
      yield { figure: `recall.${share}`, value: ours.recall, unit: 'of 1' }
      yield { figure: `naive.recall.${share}`, value: naive.recall, unit: 'of 1' }
      yield { figure: `ms.${share}`, value: ours.ms, unit: 'ms' }
      yield { figure: `naive.ms.${share}`, value: naive.ms, unit: 'ms' }
    }
    yield { figure: 'full_k', value: Math.min(...found.map(({ ours }) => ours.full)), unit: 'of 1' }
    yield { figure: 'naive.full_k', value: Math.min(...found.map(({ naive }) => naive.full)), unit: 'of 1' }
    const [all, ...filtered] = found
    yield { figure: 'filtered_ratio', value: Math.max(...filtered.map(({ ours }) => ours.ms)) / all!.ours.ms, unit: 'x' }
  } finally {
    await target.close()
  }
}

/** One chunk a vector; its metadata say which filters keep it. */
async function fill(scope: Scope, { vectors }: VectorSet): Promise<void> {
  const { rows } = await sql<{ id: string }>`
    insert into ${scope.id('kb_doc')} (tenant_id, source, title) values (${scope.tenantId}::int8, 'set', 'set') returning doc_id::text as id
  `.execute(scope.db)
  const random = seededRandom(11)
  let batch: { embedding: string; metadata: Record<string, boolean> }[] = []
  let written = 0
  const write = async () => {
    await sql`
      insert into ${scope.id('kb_chunk')} (tenant_id, doc_id, chunk_idx, content, embedding, metadata)
      select ${scope.tenantId}::int8, ${rows[0]!.id}::int8, ${written}::int4 + given.at, 'chunk', (given.row ->> 'embedding')::vector, given.row -> 'metadata'
      from jsonb_array_elements(${JSON.stringify(batch)}::jsonb) with ordinality as given (row, at)
    `.execute(scope.db)
    written += batch.length
    batch = []
  }
  for await (const numbers of vectors) {
    const drawn = random()
    const metadata = Object.fromEntries(shares.map(([name, share]) => [`keep_${name}`, drawn < share]))
    batch.push({ embedding: `[${Array.from(numbers, (number) => Number(number.toPrecision(7))).join(',')}]`, metadata })
    if (batch.length === 1000) await write()
  }
  if (batch.length > 0) await write()
}

interface Answers {
  /** The share of the nearest that were found. */
  recall: number
  /** The share of the answers that have as many as there are. */
  full: number
  /** The median of a question. */
  ms: number
}

interface Measured {
  share: string
  ours: Answers
  naive: Answers
}

/** Each question with all filters, one after the other, so that what else the machine does is shared by all. */
async function measure(scope: Scope, { questions, distance }: VectorSet): Promise<Measured[]> {
  const operator = sql.raw(distance === 'l2' ? '<->' : '<=>')
  const byHand = async (embedding: Float32Array, metadata: object, exact: boolean) => {
    const { rows } = await sql<{ chunk_id: string }>`
      select chunk_id::text as chunk_id from ${scope.id('kb_chunk')}
      where tenant_id = ${scope.tenantId}::int8 and metadata @> ${JSON.stringify(metadata)}::jsonb
      order by (embedding ${operator} ${`[${embedding.join(',')}]`}::vector)${sql.raw(exact ? ' + 0' : '')} limit ${sql.lit(k)}
    `.execute(scope.db)
    return rows.map(({ chunk_id }) => chunk_id)
  }
  const search = async (embedding: Float32Array, metadata: Record<string, boolean>) => {
    const rows = await searchKnowledge(scope, { embedding: [...embedding], limit: k, where: { metadata } }).execute()
    return rows.map(({ chunk_id }) => chunk_id)
  }
  const found = shares.map(([share]) => ({ share, ours: [] as Asked[], naive: [] as Asked[] }))
  for (const embedding of questions) {
    for (const { share, ours, naive } of found) {
      const metadata: Record<string, boolean> = share === 'all' ? {} : { [`keep_${share}`]: true }
      const nearest = new Set(await byHand(embedding, metadata, true))
      ours.push(await ask(nearest, () => search(embedding, metadata)))
      naive.push(await ask(nearest, () => byHand(embedding, metadata, false)))
    }
  }
  return found.map(({ share, ours, naive }) => ({ share, ours: answers(ours), naive: answers(naive) }))
}

async function ask(nearest: ReadonlySet<string>, find: () => Promise<string[]>): Promise<Asked> {
  const begin = performance.now()
  const ids = await find()
  return { ms: performance.now() - begin, hits: ids.filter((id) => nearest.has(id)).length, rows: ids.length, wanted: nearest.size }
}

interface Asked {
  ms: number
  hits: number
  rows: number
  wanted: number
}

function answers(asked: readonly Asked[]): Answers {
  const sum = (of: (one: Asked) => number) => asked.reduce((total, one) => total + of(one), 0)
  const wanted = sum((one) => one.wanted)
  return {
    recall: wanted === 0 ? 1 : sum((one) => one.hits) / wanted,
    full: sum((one) => (one.rows >= one.wanted ? 1 : 0)) / asked.length,
    ms: asked.map(({ ms }) => ms).toSorted((a, b) => a - b)[Math.floor(asked.length / 2)]!,
  }
}
