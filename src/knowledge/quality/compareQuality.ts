import { z } from 'zod'
import { InvalidInputError } from '../../schema/errors.ts'
import { parse } from '../../schema/parse.ts'
import { meanOf } from './estimate.ts'
import { qualityLegs, type QuestionFigures } from './figures.ts'
import type { RetrievalQuality } from './retrievalQuality.ts'

/** How a figure changed, over the questions that both measurements have. */
export interface FigureChange {
  /** The mean of the second measurement minus that of the first; positive is better. */
  difference: number
  /**
   * The standard error of `difference`: a difference of at most twice this value is noise. Null
   * with one question.
   */
  standardError: number | null
  /** For how many questions the figure is higher. */
  better: number
  /** For how many questions the figure is lower. */
  worse: number
}

/** How one way of searching changed. */
export interface LegChange {
  recall: FigureChange
  mrr: FigureChange
  ndcg: FigureChange
  /** The questions whose nDCG fell, the largest fall first. */
  worse: string[]
}

/** How the quality of searches changed; null for what only one measurement, or neither, has. */
export interface QualityChange {
  lexical: LegChange | null
  vector: LegChange | null
  hybrid: LegChange | null
  reranked: LegChange | null
  /** How many questions both measurements have. */
  compared: number
  /** The questions that only one measurement has. They are not compared. */
  notCompared: string[]
}

const ratio = z.number().min(0).max(1)
const figures = z.object({ recall: ratio, reciprocalRank: ratio, ndcg: ratio }).nullable()
/** The fields of a measurement that are compared; it may have been stored as JSON. */
const measured = z.object({
  limit: z.int().min(1),
  questions: z.array(z.object({ question: z.string(), lexical: figures, vector: figures, hybrid: figures, reranked: figures })),
})

/**
 * Compares two measurements of {@link retrievalQuality} with the same questions: after a change of
 * the documents, the model or the options.
 *
 * The comparison is paired, question by question. How hard a question is affects both measurements
 * alike, so it adds no noise, and smaller changes can be detected than from the two standard
 * errors.
 *
 * @throws InvalidInputError if one of the two is not such a measurement, their `limit` differs, or
 * they have no question in common.
 * @example
 * const change = compareQuality(JSON.parse(await readFile('quality.json', 'utf8')), quality)
 * const { difference, standardError } = change.hybrid!.ndcg
 * if (difference < -2 * standardError!) console.error('worse:', change.hybrid!.worse)
 *
 * @see Smucker, Allan, Carterette: A comparison of statistical significance tests for information
 * retrieval evaluation, 2007
 */
export function compareQuality(before: RetrievalQuality, after: RetrievalQuality): QualityChange {
  const [first, second] = [parse(measured, before, 'before'), parse(measured, after, 'after')]
  if (first.limit !== second.limit)
    throw new InvalidInputError(
      'after.limit',
      `must equal before.limit, ${first.limit}: the figures count that many documents, got ${second.limit}`,
    )
  const known = new Map(first.questions.map((question) => [question.question, question]))
  const pairs = second.questions.flatMap((now) => {
    const old = known.get(now.question)
    return old === undefined ? [] : [{ question: now.question, old, now }]
  })
  if (pairs.length === 0)
    throw new InvalidInputError('after.questions', 'must have a question in common with before: there is nothing to compare')
  const both = new Set(pairs.map(({ question }) => question))
  const changes = qualityLegs.map((leg) => {
    const measured = pairs.flatMap(({ question, old, now }) => {
      const [before, after] = [old[leg], now[leg]]
      return before === null || after === null ? [] : [{ question, before, after }]
    })
    return [leg, measured.length === 0 ? null : changeOf(measured)] as const
  })
  return {
    ...(Object.fromEntries(changes) as Pick<QualityChange, (typeof qualityLegs)[number]>),
    compared: pairs.length,
    notCompared: [...first.questions, ...second.questions].map(({ question }) => question).filter((question) => !both.has(question)),
  }
}

type Figure = 'recall' | 'reciprocalRank' | 'ndcg'
interface Pair {
  question: string
  before: Pick<QuestionFigures, Figure>
  after: Pick<QuestionFigures, Figure>
}

function changeOf(pairs: readonly Pair[]): LegChange {
  const differences = (figure: Figure) => pairs.map(({ question, before, after }) => ({ question, by: after[figure] - before[figure] }))
  return {
    recall: figureChange(differences('recall')),
    mrr: figureChange(differences('reciprocalRank')),
    ndcg: figureChange(differences('ndcg')),
    worse: differences('ndcg')
      .filter(({ by }) => by < 0)
      .toSorted((a, b) => a.by - b.by)
      .map(({ question }) => question),
  }
}

function figureChange(differences: readonly { by: number }[]): FigureChange {
  const { mean, standardError } = meanOf(differences.map(({ by }) => by))
  return {
    difference: mean,
    standardError,
    better: differences.filter(({ by }) => by > 0).length,
    worse: differences.filter(({ by }) => by < 0).length,
  }
}
