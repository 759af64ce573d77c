import { questionTerms } from '../src/knowledge/questionTerms.ts'
import { terms } from '../src/knowledge/terms.ts'
import type { Embed } from './embeddingCache.ts'
import type { SetDocument } from './retrievalSets.ts'

/** Finds documents by a question: their ids, best first. */
export interface Retrieval {
  lexical(question: string, limit: number): Promise<string[]>
  /** Only where there is a model. */
  dense?(question: string, limit: number): Promise<string[]>
  hybrid?(question: string, limit: number): Promise<string[]>
}

/** What was chosen over all sets, each left out in turn. */
const [k1, b, titleWeight, pool, denseWeight] = [1.2, 0.6, 2, 100, 0.3]

/**
 * The ranking as it is meant to be, without a database: BM25 over the terms, cosine similarity, and
 * the sum of both weighted after min-max scaling over the best 100 of either leg, each of which is
 * scored by both.
 */
export async function retrievalInMemory(documents: readonly SetDocument[], embed: Embed | undefined): Promise<Retrieval> {
  const score = bm25(documents)
  const idsOf = (places: readonly number[]) => places.map((place) => documents[place]!.id)
  const lexical = async (question: string, limit: number) => idsOf(best(score(question), limit, 0))
  if (embed === undefined) return { lexical }
  const vectors = (await embed(documents.map(({ title, text }) => (title === '' ? text : `${title}\n${text}`)))).map(unit)
  const similarity = async (question: string) => {
    const [asked] = (await embed([question])).map(unit)
    return Float64Array.from(vectors, (vector) => vector.reduce((sum, value, index) => sum + value * asked![index]!, 0))
  }
  return {
    lexical,
    async dense(question, limit) {
      return idsOf(best(await similarity(question), limit))
    },
    async hybrid(question, limit) {
      const legs = [
        { scores: score(question), weight: 1 - denseWeight, least: 0 },
        { scores: await similarity(question), weight: denseWeight, least: -Infinity },
      ]
      const candidates = [...new Set(legs.flatMap(({ scores, least }) => best(scores, Math.max(pool, limit), least)))]
      const sums = new Float64Array(documents.length).fill(-Infinity)
      for (const candidate of candidates) sums[candidate] = 0
      for (const { scores, weight } of legs) {
        const given = candidates.map((candidate) => scores[candidate]!)
        const [low, high] = [Math.min(...given), Math.max(...given)]
        for (const candidate of candidates) sums[candidate]! += high > low ? (weight * (scores[candidate]! - low)) / (high - low) : 0
      }
      return idsOf(best(sums, limit, -Infinity))
    },
  }
}

/** Robertson and Zaragoza, The Probabilistic Relevance Framework: BM25 and Beyond, 2009; its idf with 1 added, as in Lucene. */
function bm25(documents: readonly SetDocument[]): (question: string) => Float64Array {
  const postings = new Map<string, { place: number; frequency: number }[]>()
  const lengths = documents.map(({ title, text }, place) => {
    const frequencies = new Map<string, number>()
    for (const [part, weight] of [
      [title, titleWeight],
      [text, 1],
    ] as const)
      for (const { term, frequency } of terms(part)) frequencies.set(term, (frequencies.get(term) ?? 0) + weight * frequency)
    let length = 0
    for (const [term, frequency] of frequencies) {
      const list = postings.get(term)
      if (list === undefined) postings.set(term, [{ place, frequency }])
      else list.push({ place, frequency })
      length += frequency
    }
    return length
  })
  const mean = lengths.reduce((sum, length) => sum + length, 0) / lengths.length
  return (question) => {
    const scores = new Float64Array(documents.length)
    for (const term of questionTerms(question)) {
      const list = postings.get(term) ?? []
      const idf = Math.log(1 + (documents.length - list.length + 0.5) / (list.length + 0.5))
      for (const { place, frequency } of list)
        scores[place]! += (idf * frequency * (k1 + 1)) / (frequency + k1 * (1 - b + (b * lengths[place]!) / mean))
    }
    return scores
  }
}

/** The places of the highest scores above `least`; the earlier of two equals first. */
const best = (scores: Float64Array, limit: number, least = -Infinity): number[] =>
  Array.from(scores.keys())
    .filter((place) => scores[place]! > least)
    .toSorted((one, other) => scores[other]! - scores[one]! || one - other)
    .slice(0, limit)

function unit(vector: readonly number[]): Float64Array {
  const length = Math.hypot(...vector) || 1
  return Float64Array.from(vector, (value) => value / length)
}
