import { checkedItems } from '../checkedItems.ts'
import type { DocumentInput, documentInput } from './documentInput.ts'
import { inPieces, keyOf, type SplitDocument } from './prepare.ts'
import type { SplitOptions } from './split.ts'

export interface Group {
  documents: SplitDocument[]
  /** Whether this is the last group. */
  last: boolean
}

/**
 * The most documents, chunks and characters of one transaction; a group has at least one document.
 */
const most = { documents: 64, chunks: 500, characters: 2_000_000 }

/**
 * Yields documents in groups, in order. A document that comes a second time begins a new group. An
 * array is checked as a whole before the first group; with any other iterable, each document is
 * checked when it arrives, and the documents before a refused one are still yielded, as a group.
 *
 * @throws InvalidInputError naming the document and the field.
 */
export async function* groupsOf(
  documents: Iterable<DocumentInput> | AsyncIterable<DocumentInput>,
  { schema, split, signal }: { schema: ReturnType<typeof documentInput>; split: SplitOptions; signal: AbortSignal | undefined },
): AsyncGenerator<Group> {
  let open: SplitDocument[] = []
  let keys = new Set<string>()
  let size = { chunks: 0, characters: 0 }
  let refusal: { error: unknown } | undefined
  const checked = checkedItems(documents, { schema, name: 'documents', signal })
  try {
    for (;;) {
      const next = await checked.next().catch((error: unknown) => {
        signal?.throwIfAborted()
        refusal = { error }
      })
      if (next === undefined || next.done) break
      const document = inPieces(next.value, split)
      const key = keyOf(document)
      const full = open.length >= most.documents || size.chunks >= most.chunks || size.characters >= most.characters
      if (full || keys.has(key)) {
        yield { documents: open, last: false }
        open = []
        keys = new Set()
        size = { chunks: 0, characters: 0 }
      }
      open.push(document)
      keys.add(key)
      size.chunks += document.pieces.length
      size.characters += document.pieces.reduce((sum, { content }) => sum + content.length, 0)
    }
    if (open.length > 0) yield { documents: open, last: refusal === undefined }
    if (refusal !== undefined) throw refusal.error
  } finally {
    // Closes the source however the loop ends.
    await checked.return(undefined)
  }
}
