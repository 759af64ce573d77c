import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import { numbersIn } from './numbersIn.ts'

/** The largest finite values of the types in which an embedding is stored and indexed. */
const largest = { single: 3.4028234663852886e38, half: 65_504 } as const

/** At most half of the smallest half-precision value, so it becomes 0. */
const vanishesInHalf = 2 ** -25

/**
 * Two embeddings of at most this length have a finite distance in single precision, in which
 * pgvector adds: the largest single-precision value is a little more than the square of twice this
 * length.
 */
const longest = 9e18

/**
 * An embedding that this installation can store:
 *
 * - as many numbers as `migrate up --embedding-dimension` set
 * - each finite in the precision in which distances are measured: half precision if embeddings are
 *   stored in it, or indexed in it (more than 2,000 dimensions); otherwise single precision
 * - a length at which distances do not overflow; for the cosine distance not zero in that
 *   precision, since a zero vector has no direction
 *
 * A `Float32Array` or `Float64Array` counts as the array of its numbers.
 */
export function embeddingOf({ embeddingDimension, embeddingDistance, embeddingType }: Installation) {
  const precision = embeddingType === 'vector' && embeddingDimension <= 2000 ? 'single' : 'half'
  const limit = largest[precision]
  const numbers = z
    .array(z.number().refine((value) => Math.abs(value) <= limit, `must be at most ${limit} in magnitude`))
    .superRefine((embedding, context) => {
      const refuse = (message: string) => context.addIssue({ code: 'custom', message })
      if (embedding.length !== embeddingDimension)
        refuse(`must have ${embeddingDimension} numbers, the embedding dimension of this installation, has ${embedding.length}`)
      else if (embedding.reduce((sum, value) => sum + value ** 2, 0) > longest ** 2)
        refuse(`must have a length (the root of the sum of squares) of at most ${longest}: distances are added up in single precision`)
      else if (embeddingDistance === 'cosine' && !hasDirection(embedding, precision))
        refuse(`must not have length zero in ${precision} precision: the cosine distance compares directions`)
    })
  return z.preprocess((value) => numbersIn(value) ?? value, numbers)
}

/** pgvector adds the squares in single precision, where small ones become 0. */
function hasDirection(embedding: readonly number[], precision: keyof typeof largest): boolean {
  return embedding.some((value) => {
    const single = Math.fround(value)
    return precision === 'half' ? Math.abs(single) > vanishesInHalf : Math.fround(single ** 2) > 0
  })
}

/**
 * An embedding as a `float4[]` literal. PostgreSQL casts it to `vector` for any schema of pgvector.
 *
 * Values too small for single precision become 0 here, since PostgreSQL would refuse them.
 */
export const arrayLiteral = (embedding: readonly number[]): string =>
  `{${embedding.map((value) => (Math.fround(value) === 0 ? 0 : value)).join(',')}}`
