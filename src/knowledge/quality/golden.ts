import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import { boundedText, storableText } from '../../schema/text.ts'
import { keyOf } from '../documents/prepare.ts'
import { embeddingOf } from '../embedding/embedding.ts'

/** A question of which a person said what answers it. */
export interface GoldenQuestion {
  question: string
  /** The documents that answer it: at least one, none of them twice. */
  relevant: readonly GoldenDocument[]
  /** The question embedded, by the same model as the chunks. Default: `embed` makes it. */
  embedding?: readonly number[]
}

/**
 * A document as `addDocuments` identifies it, so that it is still the same when it was added again:
 * by its `source` and `url`, one without a URL by its `source` and `title`.
 */
export interface GoldenDocument {
  source: string
  /** Null, or left out, for a document without one. */
  url?: string | null
  /** Of a document with a URL it is not looked at. */
  title?: string
  /** How well it answers, from 0, not at all. Default: 1. */
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
        'must name a document that is relevant: what has none is found by no search',
      )
      .refine((documents) => new Set(documents.map(({ key }) => key)).size === documents.length, 'must not name a document twice'),
    embedding: embeddingOf(installation).optional(),
  })

/** With what a document is recognised by among those found. */
export type CheckedGoldenQuestion = z.output<ReturnType<typeof goldenQuestion>>
export type CheckedGoldenDocument = CheckedGoldenQuestion['relevant'][number]
