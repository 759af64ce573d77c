import { z } from 'zod'

/** How far a walk goes: every hop scans the frame's edges once, and a graph of calls is rarely deeper than a dozen. */
export const hopCount = z.int('must be a whole number').min(1, 'must be at least 1').max(100, 'must be at most 100')
