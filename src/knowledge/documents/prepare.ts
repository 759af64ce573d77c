import type { Scope } from '../../database/scope.ts'
import type { Json } from '../../schema/text.ts'
import { termsVersion } from '../terms.ts'
import type { CheckedDocument } from './documentInput.ts'
import { howOf, howOfAll, ordered, whatOf, type Embedded } from './fingerprint.ts'
import { mergedMetadata } from './mergedMetadata.ts'
import { splitDocument, splitterVersion, type SplitOptions } from './split.ts'

/** A piece of a document before its embedding is decided. */
interface Piece {
  content: string
  context: string
  /** The embedding that the caller gave. */
  brought: readonly number[] | undefined
  metadata: Record<string, Json>
}

/** A document in pieces. */
export interface SplitDocument {
  source: string
  title: string
  url: string | null
  metadata: Record<string, Json>
  pieces: readonly Piece[]
  /** Whether this library split the pieces. */
  split: boolean
  format: 'markdown' | 'text' | undefined
}

export interface PreparedChunk extends Piece {
  fingerprint: string
  by: Embedded['by']
}

/** A document with its fingerprint, which shows whether it has changed. */
export interface PreparedDocument {
  source: string
  title: string
  url: string | null
  metadata: Record<string, Json>
  fingerprint: string
  chunks: readonly PreparedChunk[]
}

/** The identity of a document: its source and URL, or without a URL its source and title. */
export const keyOf = ({ source, title, url }: { source: string; title: string; url: string | null }): string =>
  JSON.stringify(url === null ? [source, null, title] : [source, url])

export function inPieces(document: CheckedDocument, options: SplitOptions): SplitDocument {
  const { source, title, url = null, resources, labels, content, format, chunks = [] } = document
  const metadata = mergedMetadata(document.metadata ?? {}, { ...(resources && { resources }), ...(labels && { labels }) })
  const pieces =
    content === undefined
      ? chunks.map((chunk) => ({
          content: chunk.content,
          context: chunk.context ?? '',
          brought: chunk.embedding,
          metadata: chunk.metadata === undefined ? metadata : mergedMetadata(metadata, chunk.metadata),
        }))
      : splitDocument({ title, content, ...(format && { format }) }, options).map((piece) => ({ ...piece, brought: undefined, metadata }))
  return { source, title, url, metadata, pieces, split: content !== undefined, format }
}

/** @param embeds whether pieces without an embedding of the caller's get one. */
export function prepare(
  { installation }: Scope,
  { source, title, url, metadata, pieces, split, format }: SplitDocument,
  { model, embeds, options }: { model: string | null; embeds: boolean; options: SplitOptions },
): PreparedDocument {
  const dimension = installation.embeddingDimension
  const made: Embedded = embeds ? { by: 'model', model, dimension } : { by: 'nobody' }
  const howMade = howOf(made)
  const chunks = pieces.map((piece) => {
    const { brought } = piece
    const embedded: Embedded = brought === undefined ? made : { by: 'caller', model, dimension, embedding: brought }
    const how = brought === undefined ? howMade : howOf(embedded)
    return { ...piece, by: embedded.by, how, fingerprint: how + whatOfChunk(piece) }
  })
  const how = howOfAll(
    chunks.map((chunk) => chunk.how),
    howMade,
  )
  const what = whatOf({
    title,
    url,
    metadata: ordered(metadata),
    // The options of the split are part of the document's fingerprint: with another version or
    // other options it is split again, and chunks that come out the same stay.
    split: split ? { splitterVersion, format, ...(ordered({ ...options }) as object) } : null,
    chunks: pieces.map(({ content, context, metadata }) => [content, context, ordered(metadata)]),
    termsVersion,
    language: installation.knowledgeLanguage,
  })
  return { source, title, url, metadata, fingerprint: how + what, chunks }
}

/** The content of a chunk, for any model: the second part of its fingerprint. */
export const whatOfChunk = ({ context, content }: { context: string; content: string }): string => whatOf({ context, content })
