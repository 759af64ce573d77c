import { z } from 'zod'

/**
 * How far a walk goes. A call graph rarely has more than a dozen levels, so a larger number is a
 * mistake.
 */
export const hopCount = z.int('must be a whole number').min(1, 'must be at least 1').max(100, 'must be at most 100')
