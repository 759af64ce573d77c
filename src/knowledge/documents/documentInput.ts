import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import { boundedText, storableObject, storableText, urnText, type Json } from '../../schema/text.ts'
import { embeddingOf } from '../embedding/embedding.ts'

export interface ChunkInput {
  content: string
  /**
   * What the chunk is part of, such as the headings above it. It is searched and embedded together
   * with the content.
   */
  context?: string
  /**
   * As many numbers as the installation's embedding dimension, stored in its precision; from
   * JavaScript also a `Float32Array` or `Float64Array`. Without it `embed` makes the embedding;
   * without `embed`, only a search by words finds the chunk.
   */
  embedding?: readonly number[]
  /**
   * Merged with the document's metadata, key by key at every depth. Lists of `resources` are
   * united; of any other two values the chunk's own counts.
   */
  metadata?: Record<string, Json>
}

interface DocumentAbout {
  /** Where it comes from: `runbooks`, `postmortems`, `wiki`, ... At most 255 bytes. */
  source: string
  /** At most 1,024 bytes. */
  title: string
  /** At most 2,048 bytes. */
  url?: string | null
  /**
   * The URNs of the resources that the document is about. They are stored in the metadata under
   * `resources`, together with those already there. They need not be in the catalog.
   */
  resources?: readonly string[]
  /**
   * Stored in the metadata under `labels`, merged with those already there; these take precedence.
   */
  labels?: Record<string, Json>
  metadata?: Record<string, Json>
}

/** A document as text, which `addDocuments` splits. */
export interface TextDocument extends DocumentAbout {
  content: string
  /** Default: detected from the content, see `splitDocument`. */
  format?: 'markdown' | 'text'
  chunks?: undefined
}

/** A document that is already split. */
export interface ChunkedDocument extends DocumentAbout {
  /** The text in pieces, in order. */
  chunks: readonly ChunkInput[]
  content?: undefined
  format?: undefined
}

export type DocumentInput = TextDocument | ChunkedDocument

/** A document as this installation takes it. */
export function documentInput(installation: Installation) {
  const chunk = z.strictObject({
    content: storableText.refine((text) => text.length > 0, 'must not be empty'),
    context: storableText.optional(),
    embedding: embeddingOf(installation).optional(),
    metadata: storableObject.optional(),
  })
  return z
    .strictObject({
      source: boundedText(255),
      title: boundedText(1024),
      url: boundedText(2048).nullish(),
      resources: z.array(urnText).optional(),
      labels: storableObject.optional(),
      metadata: storableObject.optional(),
      content: storableText.optional(),
      format: z.enum(['markdown', 'text']).optional(),
      chunks: z.array(chunk).optional(),
    })
    .superRefine(({ content, format, chunks }, context) => {
      if ((content === undefined) === (chunks === undefined)) {
        context.addIssue({ code: 'custom', message: 'must have either content, which is split, or chunks' })
      } else if (content === undefined && format !== undefined) {
        context.addIssue({ code: 'custom', path: ['format'], message: 'is only for content, and the document has chunks' })
      }
    })
}

export type CheckedDocument = z.output<ReturnType<typeof documentInput>>
