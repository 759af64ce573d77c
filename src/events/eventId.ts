import { z } from 'zod'

/** An event's id: a UUID of any version, in PostgreSQL's form (lower case, hyphens). */
export const eventId = z.guid('must be a UUID').transform((text) => text.toLowerCase())
