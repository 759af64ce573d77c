import type { Scope } from '../src/database/scope.ts'
import { addDocuments } from '../src/knowledge/documents/addDocuments.ts'
import { searchKnowledge, type SearchKnowledgeOptions } from '../src/knowledge/search/searchKnowledge.ts'
import type { Embed } from './embeddingCache.ts'
import type { SetDocument } from './retrievalSets.ts'

/** Finds documents by a question: their ids, best first. */
export interface Retrieval {
  lexical(question: string, limit: number): Promise<string[]>
  /** Only where there is a model. */
  dense?(question: string, limit: number): Promise<string[]>
  hybrid?(question: string, limit: number): Promise<string[]>
}

/** The documents as a tenant's knowledge, each one chunk, asked as its users do. */
export async function retrievalInDatabase(scope: Scope, documents: readonly SetDocument[], embed: Embed | undefined): Promise<Retrieval> {
  const embeddings = await embed?.(documents.map(({ title, text }) => (title === '' ? text : `${title}\n${text}`)))
  const added = documents.map(({ id, title, text }, at) => ({
    source: 'set',
    title: id,
    url: id,
    chunks: [{ content: text === '' ? title : text, context: title, ...(embeddings && { embedding: embeddings[at]! }) }],
  }))
  await addDocuments(scope, added, { onDocument: () => {} })
  const search = async (options: SearchKnowledgeOptions) => (await searchKnowledge(scope, options).execute()).map(({ url }) => url!)
  const lexical = (text: string, limit: number) => search({ text, limit })
  if (embed === undefined) return { lexical }
  const asked = async (text: string) => (await embed([text]))[0]!
  return {
    lexical,
    dense: async (text, limit) => search({ embedding: await asked(text), limit }),
    hybrid: async (text, limit) => search({ text, embedding: await asked(text), limit }),
  }
}
