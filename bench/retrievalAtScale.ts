import { sql } from 'kysely'
import type { Scope } from '../src/database/scope.ts'
import { seededRandom } from '../src/graph/analysis/seededRandom.ts'
import { addDocuments } from '../src/knowledge/documents/addDocuments.ts'
import { searchKnowledge } from '../src/knowledge/search/searchKnowledge.ts'
import { terms } from '../src/knowledge/terms.ts'
import type { Figure } from './benchmark.ts'
import { isEnglish, type RetrievalSet } from './retrievalSets.ts'
import { seconds } from './target.ts'

const chunks = 100_000
const questions = 60
const k = 10

/**
 * What a question costs over 100,000 chunks, with all its common words: each chunk is three sentences drawn from the sets of one language, so that words are as
 * common and as rare as in real texts. Beside it, in the same run, what most people write: the best ten of `tsvector @@ (word | word | ...)` by `ts_rank`, over GIN.
 * For Chinese it has our terms as its words, since PostgreSQL's parser knows none.
 *
 * @param newScope makes a tenant.
 */
export async function* retrievalAtScale(sets: readonly RetrievalSet[], newScope: () => Promise<Scope>): AsyncGenerator<Figure> {
  const slowest: Compared[] = []
  const languages = {
    english: sets.filter(({ documents }) => isEnglish(documents)),
    chinese: sets.filter(({ name }) => name.endsWith('-zh')),
  }
  for (const [language, all] of Object.entries(languages)) {
    if (all.length === 0) continue
    const scope = await newScope()
    const sentences = all.flatMap(({ documents }) => documents.flatMap(({ text }) => sentencesOf(text)))
    const filling = await seconds(() => addDocuments(scope, drawn(sentences), { onDocument: () => {} }))
    yield { figure: `retrieval.bm25.${language}.added_per_s`, value: chunks / filling, unit: 'documents/s' }
    const random = seededRandom(5)
    const asked = Array.from({ length: questions }, () => {
      const from = all[Math.floor(random() * all.length)]!.questions
      return from[Math.floor(random() * from.length)]!.text
    })
    // Whatever autovacuum has done so far: searches must be quick before it comes.
    const first = await seconds(() => searchKnowledge(scope, { text: asked[0]!, limit: k }).execute())
    yield { figure: `retrieval.bm25.${language}.first_ms`, value: 1000 * first, unit: 'ms' }
    const compared = await compare(scope, asked)
    slowest.push(compared)
    yield { figure: `retrieval.bm25.${language}.ms_100k`, value: compared.ours, unit: 'ms' }
    yield { figure: `retrieval.bm25.${language}.p95_ms_100k`, value: compared.p95, unit: 'ms' }
    yield { figure: `retrieval.bm25.${language}.ts_rank_ms_100k`, value: compared.tsRank, unit: 'ms' }
  }
  if (slowest.length === 0) return
  yield { figure: 'retrieval.bm25.ms_100k', value: Math.max(...slowest.map(({ ours }) => ours)), unit: 'ms' }
  yield { figure: 'retrieval.bm25_vs_ts_rank', value: Math.max(...slowest.map(({ ours, tsRank }) => ours / tsRank)), unit: 'x' }
}

const sentencesOf = (text: string) => text.split(/(?<=[.!?。！？])\s*/).filter((sentence) => sentence.length > 10)

function* drawn(sentences: readonly string[]) {
  const random = seededRandom(3)
  const draw = () => sentences[Math.floor(random() * sentences.length)]!
  for (let at = 0; at < chunks; at += 1) {
    yield { source: 'set', title: `${at}`, url: `${at}`, chunks: [{ content: `${draw()} ${draw()} ${draw()}` }] }
  }
}

/** Means, in milliseconds, of a question. */
interface Compared {
  ours: number
  p95: number
  tsRank: number
}

async function compare(scope: Scope, asked: readonly string[]): Promise<Compared> {
  await sql`
    create table chunk_words as
    select term.chunk_id, string_agg('''' || replace(replace(term.term, ${'\\'}, ${'\\\\'}), '''', '''''') || ''':1', ' ')::tsvector as words
    from ${scope.id('kb_term')} as term
    where term.tenant_id = ${scope.tenantId}::int8
    group by term.chunk_id
  `.execute(scope.db)
  try {
    await sql`create index on chunk_words using gin (words)`.execute(scope.db)
    await sql`vacuum analyze chunk_words, ${scope.id('kb_chunk')}, ${scope.id('kb_term')}`.execute(scope.db)
    const ours: number[] = []
    const tsRank: number[] = []
    for (const text of asked) {
      ours.push(await seconds(() => searchKnowledge(scope, { text, limit: k }).execute()))
      tsRank.push(await seconds(() => byTsRank(scope, text)))
    }
    const mean = (values: readonly number[]) => (1000 * values.reduce((sum, value) => sum + value, 0)) / values.length
    return { ours: mean(ours), p95: 1000 * ours.toSorted((a, b) => a - b)[Math.floor(ours.length * 0.95)]!, tsRank: mean(tsRank) }
  } finally {
    await sql`drop table chunk_words`.execute(scope.db)
  }
}

/** All the words of the question, joined by "or". */
async function byTsRank(scope: Scope, text: string) {
  const words = terms(text).map(({ term }) => `'${term.replaceAll("'", "''").replaceAll('\\', '\\\\')}'`)
  await sql`
    select chunk.chunk_id, chunk.content, ts_rank(words.words, question.asked) as score
    from (select ${words.join(' | ')}::tsquery as asked) as question
    join chunk_words as words on words.words @@ question.asked
    join ${scope.id('kb_chunk')} as chunk on chunk.chunk_id = words.chunk_id
    order by score desc, chunk.chunk_id
    limit ${sql.lit(k)}
  `.execute(scope.db)
}
