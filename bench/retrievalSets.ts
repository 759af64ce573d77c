import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** A corpus with questions to it and what a person called relevant, as BEIR keeps them. */
export interface RetrievalSet {
  /** The name of its folder. */
  name: string
  documents: SetDocument[]
  questions: Question[]
}

export interface SetDocument {
  id: string
  /** Empty where it has none. */
  title: string
  text: string
}

export interface Question {
  id: string
  text: string
  /** How relevant documents are, by their id. */
  relevance: Map<string, number>
}

/** The sets below a folder, one after the other: of each folder with `corpus.jsonl`, `queries.jsonl` and `qrels.tsv`. */
export async function* retrievalSets(folder: string): AsyncGenerator<RetrievalSet> {
  const entries = await readdir(folder, { withFileTypes: true })
  const names = entries.filter((entry) => entry.isDirectory()).map(({ name }) => name)
  for (const name of names.toSorted()) yield await readSet(join(folder, name), name)
}

async function readSet(folder: string, name: string): Promise<RetrievalSet> {
  const read = (file: string) => readFile(join(folder, file), 'utf8')
  const [corpus, queries, judged] = await Promise.all(['corpus.jsonl', 'queries.jsonl', 'qrels.tsv'].map(read))
  const relevances = relevancesOf(judged!)
  return {
    name,
    // Titles from Wikipedia have `_` for a blank.
    documents: jsonLines(corpus!).map(({ _id, title = '', text }) => ({ id: _id, title: title.replaceAll('_', ' '), text })),
    questions: jsonLines(queries!).flatMap(({ _id, text }) => {
      const relevance = relevances.get(_id)
      return relevance === undefined ? [] : [{ id: _id, text, relevance }]
    }),
  }
}

const jsonLines = (text: string) =>
  text
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line) as { _id: string; title?: string; text: string })

/** By question and document; the first line names the columns. */
export function relevancesOf(table: string): Map<string, Map<string, number>> {
  const relevances = new Map<string, Map<string, number>>()
  for (const line of table.split('\n').slice(1)) {
    const [question, document, score] = line.trimEnd().split('\t')
    if (question === undefined || document === undefined || score === undefined) continue
    const relevance = relevances.get(question) ?? new Map<string, number>()
    relevances.set(question, relevance.set(document, Number(score)))
  }
  return relevances
}

/**
 * Whether a corpus is English: more than a tenth of its words are the most frequent ones of English
 * (a fifth to a third in English texts, a twentieth at most in other languages). A letter of another
 * script counts as a word.
 */
export function isEnglish(documents: readonly SetDocument[]): boolean {
  let words = 0
  let frequent = 0
  for (const { text } of documents.slice(0, 500))
    for (const word of text.toLowerCase().match(/\p{Script=Latin}+|\p{L}/gu) ?? []) {
      words += 1
      if (mostFrequent.has(word)) frequent += 1
    }
  return frequent > words / 10
}

const mostFrequent = new Set([
  'the',
  'of',
  'and',
  'to',
  'is',
  'that',
  'for',
  'with',
  'by',
  'are',
  'from',
  'this',
  'which',
  'have',
  'be',
  'you',
  'your',
])
