import { z } from 'zod'

/**
 * The keys that a schema knows at a path of a value, sorted. Empty if it is not an object there,
 * takes any key, or has several alternatives and the value does not say which it is.
 */
export function knownKeys(schema: unknown, value: unknown, path: readonly PropertyKey[]): string[] {
  const [key, ...rest] = path
  const inside = key === undefined || typeof value !== 'object' || value === null ? undefined : Reflect.get(value, key)
  if (schema instanceof z.ZodObject) {
    if (key === undefined) return Object.keys(schema.shape).sort()
    return typeof key === 'string' && Object.hasOwn(schema.shape, key) ? knownKeys(schema.shape[key], inside, rest) : []
  }
  if (schema instanceof z.ZodArray) return key === undefined ? [] : knownKeys(schema.element, inside, rest)
  if (schema instanceof z.ZodDiscriminatedUnion) return knownKeys(alternativeOf(schema, value), value, path)
  // What is preprocessed ends in the schema, what is transformed begins with it.
  if (schema instanceof z.ZodPipe) return knownKeys(schema.in instanceof z.ZodTransform ? schema.out : schema.in, value, path)
  if (
    schema instanceof z.ZodOptional ||
    schema instanceof z.ZodNullable ||
    schema instanceof z.ZodDefault ||
    schema instanceof z.ZodReadonly
  )
    return knownKeys(schema.unwrap(), value, path)
  return []
}

/** The alternative that the value names in the key that distinguishes them. */
function alternativeOf({ options, def: { discriminator } }: z.ZodDiscriminatedUnion, value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return undefined
  const named: unknown = Reflect.get(value, discriminator)
  const takes = (field: unknown) => field instanceof z.ZodType && field.safeParse(named).success
  return options.find((option) => option instanceof z.ZodObject && takes(option.shape[discriminator]))
}
