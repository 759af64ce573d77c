import { keyOf } from '../documents/prepare.ts'

/** What is looked at of a chunk that was found. */
export interface RankedChunk {
  doc_id: string
  source: string | null
  title: string | null
  url: string | null
}

/** The documents that a search found, by their keys, best first. */
export interface RankedDocuments {
  documents: string[]
  /** Whether there may be more, below the last chunk that the search gives. */
  cut: boolean
}

/**
 * The first documents of a search: each once, at the place of its best chunk.
 *
 * @param sizes how many chunks are asked for: the first, and the next where these are of too few
 * documents. What a search with fewer has found keeps its places, so that it is what such a search
 * gives, and not what one does that looks at more.
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

/** Older documents may have no source or no title; no golden document is one of them. */
function keyOfFound({ doc_id, source, title, url }: RankedChunk): string {
  return source === null || (url === null && title === null) ? doc_id : keyOf({ source, title: title ?? '', url })
}
