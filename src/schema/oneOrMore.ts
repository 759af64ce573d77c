import { z } from 'zod'
import { plainWords } from './plainWords.ts'

/**
 * A name, or a list of at least one, as a list. Errors name the field as it was given: `resource`,
 * or `resource[2]`.
 */
export const oneOrMore = (name: z.ZodType<string>) =>
  z.custom<string | readonly string[]>().transform((given, context): string[] => {
    const names = Array.isArray(given) ? z.array(name).min(1, 'must name at least one') : name.transform((only) => [only])
    const result = names.safeParse(given, { error: plainWords })
    if (result.success) return result.data
    for (const { path, message } of result.error.issues) context.issues.push({ code: 'custom', path, message, input: given })
    return z.NEVER
  })
