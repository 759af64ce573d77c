import { join } from 'node:path'
import type { Kysely } from 'kysely'
import type { Scope } from '../src/database/scope.ts'
import { ndcg, recall } from '../src/knowledge/rankingMetrics.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { cachedEmbed, type Embed } from './embeddingCache.ts'
import { offlineDimension, offlineModel } from '../examples/seen/offlineModel.ts'
import { retrievalInDatabase, type Retrieval } from './retrievalInDatabase.ts'
import { migrateUp } from '../src/operate/migrate/migrate.ts'
import { retrievalAtScale } from './retrievalAtScale.ts'
import { isEnglish, retrievalSets, type Question, type RetrievalSet } from './retrievalSets.ts'
import { newTenant, openTarget } from './target.ts'

/**
 * How well questions find what a person called relevant to them, for each set below `DIR/retrieval`:
 * nDCG@10 by words, by embeddings and by both, recall@100 by both, and the time of a question.
 *
 * Only where the texts are English is there a model to embed them with; elsewhere words alone.
 */
export async function* retrieval({ data, url }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined) throw new Error('retrieval needs --data DIR, a folder with retrieval/')
  const embed = await cachedEmbed(lazily(offlineModel), { file: join('.cache', 'retrieval-embeddings.bin'), dimension: offlineDimension })
  const migrate = (db: Kysely<{}>) => migrateUp(db, { embeddingDimension: offlineDimension, embeddingDistance: 'cosine' })
  const target = await openTarget(url, { migrate })
  try {
    const sets: RetrievalSet[] = []
    for await (const set of retrievalSets(join(data, 'retrieval'))) {
      sets.push(set)
      yield* figuresOf(await newTenant(target.db), set, embed)
    }
    // In process 100,000 chunks would take most of an hour.
    if (url !== undefined) yield* retrievalAtScale(sets, () => newTenant(target.db))
  } finally {
    await target.close()
  }
}

async function* figuresOf(scope: Scope, { name, documents, questions }: RetrievalSet, embed: Embed): AsyncGenerator<Figure> {
  const english = isEnglish(documents)
  // Questions are embedded beforehand: the time of a question is not that of the model.
  if (english) await embed(questions.map(({ text }) => text))
  const found: Retrieval = await retrievalInDatabase(scope, documents, english ? embed : undefined)
  const figure = (what: string, value: number, unit = 'of 1') => ({ figure: `retrieval.${name}.${what}`, value, unit })
  const lexical = await ask(questions, (text) => found.lexical(text, places))
  yield figure('lexical.ndcg10', mean(lexical.rankings, questions, ndcg, 10))
  if (found.dense === undefined || found.hybrid === undefined) {
    yield figure('ms', lexical.ms, 'ms')
    return
  }
  const { dense, hybrid: both } = found
  const byMeaning = await ask(questions, (text) => dense(text, places))
  yield figure('dense.ndcg10', mean(byMeaning.rankings, questions, ndcg, 10))
  const hybrid = await ask(questions, (text) => both(text, places))
  yield figure('hybrid.ndcg10', mean(hybrid.rankings, questions, ndcg, 10))
  yield figure('hybrid.recall100', mean(hybrid.rankings, questions, recall, 100))
  yield figure('ms', hybrid.ms, 'ms')
}

const places = 100

/** The answers to all questions, and the mean time of one. */
async function ask(questions: readonly Question[], search: (text: string) => Promise<string[]>) {
  const begin = performance.now()
  const rankings: string[][] = []
  for (const { text } of questions) rankings.push(await search(text))
  return { rankings, ms: (performance.now() - begin) / questions.length }
}

/** Over the questions to which something is relevant. */
function mean(rankings: readonly string[][], questions: readonly Question[], metric: typeof ndcg, at: number): number {
  const values = questions.flatMap(({ relevance }, index) => metric(rankings[index]!, relevance, at) ?? [])
  return values.reduce((sum, value) => sum + value, 0) / values.length
}

/** The model is loaded when the first text is not in the cache. */
function lazily(load: () => Promise<Embed>): Embed {
  let model: Promise<Embed> | undefined
  return async (texts) => (await (model ??= load()))(texts)
}
