import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import { plainWords } from '../../schema/plainWords.ts'
import { boundedText } from '../../schema/text.ts'
import type { Embed, EmbeddingRefused } from '../embedding/embed.ts'
import { embeddingOf } from '../embedding/embedding.ts'
import { embedTexts, type EmbedRetry } from '../embedding/embedTexts.ts'

/** How a function that embeds texts is called. */
export interface EmbeddingCalls {
  /** How many calls run at the same time, 1 to 100. Default: 4. */
  concurrency?: number
  /** The most tokens of one call, estimated. Default: 8,000. */
  batchTokens?: number
  /** The most texts of one call. Default: 32, which every provider accepts. */
  batchTexts?: number
  /** How often a call is made while the provider is busy. Default: 6, in about half a minute. */
  attempts?: number
  /** The longest wait before another attempt, in milliseconds. Default: 60,000. */
  maxWaitMs?: number
  /** Called for each call that failed and will be repeated. */
  onRetry?: (retry: EmbedRetry) => void
}

export const modelOption = boundedText(255)

/** The function's `model`, if it has one, replaces the option `model`. */
export const embedOption = z
  .custom<Embed>((value) => typeof value === 'function', 'must be a function that gives texts their embeddings')
  .superRefine(({ model }, context) => {
    const [flaw] = modelOption.optional().safeParse(model).error?.issues ?? []
    if (flaw !== undefined) context.addIssue({ code: 'custom', path: ['model'], message: flaw.message })
  })

export const embeddingCalls = {
  concurrency: z.int().min(1).max(100).optional(),
  batchTokens: z.int().min(1).optional(),
  batchTexts: z.int().min(1).optional(),
  attempts: z.int().min(1).optional(),
  maxWaitMs: z.number().min(0).optional(),
  onRetry: z
    .custom<EmbeddingCalls['onRetry']>((value) => value === undefined || typeof value === 'function', 'must be a function')
    .optional(),
}

/** For each text, its embedding as this installation stores it, or the reason why it has none. */
export type Embedder = (texts: readonly string[]) => Promise<(readonly number[] | EmbeddingRefused)[]>

export function embedderOf(
  installation: Installation,
  embed: Embed,
  { signal, ...calls }: z.output<z.ZodObject<typeof embeddingCalls>> & { signal?: AbortSignal | undefined },
): Embedder {
  const storable = embeddingOf(installation)
  const flaw = (embedding: readonly number[]) => {
    const [issue] = storable.safeParse(embedding, { error: plainWords }).error?.issues ?? []
    return issue && `its embedding ${issue.message}`
  }
  const given = Object.fromEntries(Object.entries({ signal, ...calls }).filter(([, value]) => value !== undefined))
  return (texts) => embedTexts(embed, texts, { dimension: installation.embeddingDimension, flaw, ...given })
}

/** The text of a chunk that is embedded. */
export const embeddedText = ({ context, content }: { context: string; content: string }): string =>
  context === '' ? content : `${context}\n\n${content}`
