import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import { boundedText, storableText } from '../../schema/text.ts'
import { keyOf } from '../documents/prepare.ts'
import { embeddingOf } from '../embedding/embedding.ts'

/** A question with the documents that answer it, as a person judged. */
export interface GoldenQuestion {
  question: string
  /** The documents that answer it: at least one, each once. */
  relevant: readonly GoldenDocument[]
  /**
   * The embedding of the question, from the same model as the chunks. Default: `embed` makes it.
   */
  embedding?: readonly number[]
}

/**
 * A document as `addDocuments` identifies it, by its `source` and `url`, or without a URL by its
 * `source` and `title`. So it stays the same when it is added again.
 */
export interface GoldenDocument {
  source: string
  /** Null or absent for a document without a URL. */
  url?: string | null
  /** Ignored for a document with a URL. */
  title?: string
  /** How well it answers; 0 is not at all. Default: 1. */
  relevance?: number
}

const goldenDocument = z
  .strictObject({
    source: boundedText(255),
    url: boundedText(2048).nullish(),
    title: boundedText(1024).optional(),
    relevance: z.number().min(0).max(1_000_000).default(1),
  })
  .refine(({ url, title }) => (url ?? title) !== undefined, {
    message: 'must be given, or title for a document without one',
    path: ['url'],
  })
  .transform(({ source, url = null, title = '', relevance }) => ({ source, url, title, relevance, key: keyOf({ source, url, title }) }))

export const goldenQuestion = (installation: Installation) =>
  z.strictObject({
    question: storableText.refine((text) => text.trim() !== '', 'must not be empty'),
    relevant: z
      .array(goldenDocument)
      .refine(
        (documents) => documents.some(({ relevance }) => relevance > 0),
        'must name a relevant document: without one there is nothing to find',
      )
      .refine((documents) => new Set(documents.map(({ key }) => key)).size === documents.length, 'must not name a document twice'),
    embedding: embeddingOf(installation).optional(),
  })

/** With what a document is recognised by among those found. */
export type CheckedGoldenQuestion = z.output<ReturnType<typeof goldenQuestion>>
export type CheckedGoldenDocument = CheckedGoldenQuestion['relevant'][number]
