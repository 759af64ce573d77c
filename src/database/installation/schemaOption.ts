import { z } from 'zod'

/**
 * The option of every function that finds our tables itself: their schema, in a database with
 * several installations.
 */
export const schemaOption = z.strictObject({ schema: z.string().optional() })
