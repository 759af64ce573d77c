import { z } from 'zod'

/**
 * How far a walk goes: a graph of calls is rarely deeper than a dozen, and what walks further has
 * lost its way.
 */
export const hopCount = z.int('must be a whole number').min(1, 'must be at least 1').max(100, 'must be at most 100')
