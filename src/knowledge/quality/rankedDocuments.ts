import { keyOf } from '../documents/prepare.ts'

/** The fields of a found chunk that are read. */
export interface RankedChunk {
  doc_id: string
  source: string | null
  title: string | null
  url: string | null
}

/** The documents that a search found, as their keys, best first. */
export interface RankedDocuments {
  documents: string[]
  /** Whether there may be more, below the last chunk that the search returned. */
  cut: boolean
}

/**
 * The first documents of a search: each once, at the rank of its best chunk.
 *
 * @param sizes how many chunks to ask for: first, and then if those belong to too few documents.
 * The documents found with the first size keep their ranks: they are what a search of that size
 * returns.
 */
export async function rankedDocuments(
  search: (chunks: number) => Promise<readonly RankedChunk[]>,
  { documents, sizes }: { documents: number; sizes: readonly number[] },
): Promise<RankedDocuments> {
  const found = new Set<string>()
  for (const size of sizes) {
    const chunks = await search(size)
    for (const chunk of chunks) found.add(keyOfFound(chunk))
    if (found.size >= documents || chunks.length < size) return { documents: [...found].slice(0, documents), cut: false }
  }
  return { documents: [...found], cut: true }
}

/** Older documents may have no source or no title; they match no golden document. */
function keyOfFound({ doc_id, source, title, url }: RankedChunk): string {
  return source === null || (url === null && title === null) ? doc_id : keyOf({ source, title: title ?? '', url })
}
