import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import { boundedText, storableObject, storableText, urnText, type Json } from '../../schema/text.ts'
import { embeddingOf } from '../embedding/embedding.ts'

export interface ChunkInput {
  content: string
  /**
   * What it is part of, such as the headings above it. It is searched and embedded with the
   * content.
   */
  context?: string
  /**
   * As many numbers as the installation's embedding dimension, stored in its precision; from
   * JavaScript also a `Float32Array` or `Float64Array`. Without it the chunk is embedded by `embed`;
   * without that it is found by its words alone.
   */
  embedding?: readonly number[]
  /**
   * Merged with all that the document says, key by key at every depth: lists of `resources` are
   * united, and of any other two values the chunk's own counts.
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
   * The URNs of what it is about. They are kept in the metadata under `resources`, beside those that
   * it has there, and need not be known to the catalog.
   */
  resources?: readonly string[]
  /** Kept in the metadata under `labels`, merged with those that it has there; these count first. */
  labels?: Record<string, Json>
  metadata?: Record<string, Json>
}

/** A document as text, which is split. */
export interface TextDocument extends DocumentAbout {
  content: string
  /** Default: decided by the content, see `splitDocument`. */
  format?: 'markdown' | 'text'
  chunks?: undefined
}

/** A document that was split already. */
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
        context.addIssue({ code: 'custom', path: ['format'], message: 'is of content, and the document has chunks' })
      }
    })
}

export type CheckedDocument = z.output<ReturnType<typeof documentInput>>
