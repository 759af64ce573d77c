import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'

/** The largest finite values of what an embedding is stored and indexed as. */
const largest = { single: 3.4028234663852886e38, half: 65_504 } as const

/**
 * An embedding as this installation stores it: as many finite numbers as `migrate up` was told,
 * within single precision (half precision where that is kept, or indexed, beyond 2,000 dimensions); for
 * the cosine distance not of length zero, which has no direction.
 */
export function embeddingOf({ embeddingDimension, embeddingDistance, embeddingType }: Installation) {
  const limit = embeddingType === 'vector' && embeddingDimension <= 2000 ? largest.single : largest.half
  return z
    .array(z.number().refine((value) => Math.abs(value) <= limit, `must be at most ${limit} in magnitude`))
    .superRefine((embedding, context) => {
      if (embedding.length !== embeddingDimension) {
        context.addIssue({
          code: 'custom',
          message: `must have ${embeddingDimension} numbers, the embedding dimension of this installation, has ${embedding.length}`,
        })
      } else if (embeddingDistance === 'cosine' && !hasDirection(embedding)) {
        context.addIssue({
          code: 'custom',
          message: 'must not have length zero in single precision: the cosine distance compares directions',
        })
      }
    })
    .readonly()
}

/**
 * pgvector adds up the squares in single precision, where small ones vanish and large ones
 * overflow.
 */
function hasDirection(embedding: readonly number[]): boolean {
  const squares = embedding.reduce((sum, value) => Math.fround(sum + Math.fround(value) ** 2), 0)
  return squares > 0 && Number.isFinite(squares)
}

/**
 * An embedding as a `float4[]` literal; PostgreSQL makes a `vector` of it by itself, wherever
 * pgvector is installed.
 */
export const arrayLiteral = (embedding: readonly number[]): string => `{${embedding.join(',')}}`
