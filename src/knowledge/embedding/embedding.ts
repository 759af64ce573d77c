import { z } from 'zod'
import type { Installation } from '../../database/installation/installation.ts'
import { numbersIn } from './numbersIn.ts'

/** The largest finite values of what an embedding is stored and indexed as. */
const largest = { single: 3.4028234663852886e38, half: 65_504 } as const

/** What is at most half of the smallest half-precision value, and so becomes 0. */
const vanishesInHalf = 2 ** -25

/**
 * Two embeddings of at most this length have a distance that is finite in single precision, in
 * which pgvector adds up: its largest value is the square of twice as much and a little more.
 */
const longest = 9e18

/**
 * An embedding as this installation stores it: as many finite numbers as `migrate up` was told,
 * within the precision it is measured in (half precision where that is kept, or indexed, beyond
 * 2,000 dimensions, else single), and not so long that its distances would overflow. For the cosine
 * distance it must not have length zero there, which has no direction.
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

/** pgvector adds up the squares in single precision, where small ones vanish. */
function hasDirection(embedding: readonly number[], precision: keyof typeof largest): boolean {
  return embedding.some((value) => {
    const single = Math.fround(value)
    return precision === 'half' ? Math.abs(single) > vanishesInHalf : Math.fround(single ** 2) > 0
  })
}

/**
 * An embedding as a `float4[]` literal; PostgreSQL makes a `vector` of it by itself, wherever
 * pgvector is installed.
 *
 * PostgreSQL refuses what vanishes in single precision, so it is 0 here.
 */
export const arrayLiteral = (embedding: readonly number[]): string =>
  `{${embedding.map((value) => (Math.fround(value) === 0 ? 0 : value)).join(',')}}`
