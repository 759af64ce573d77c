import { z } from 'zod'

/**
 * The option of every function that looks for our tables itself: where they are, in a database that
 * holds several installations.
 */
export const schemaOption = z.strictObject({ schema: z.string().optional() })
