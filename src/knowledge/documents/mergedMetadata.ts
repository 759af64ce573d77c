import type { Json } from '../../schema/text.ts'

type JsonObject = Record<string, Json>

/**
 * Merges general and particular metadata. Objects are merged key by key, at every depth; lists of
 * `resources` are united; of any other two values the particular one stays.
 */
export function mergedMetadata(general: JsonObject, particular: JsonObject): JsonObject {
  const { resources: of } = general
  const { resources: more } = particular
  const both = mergedObjects(general, particular)
  if (!Array.isArray(of) || !Array.isArray(more)) return both
  return { ...both, resources: united(of, more) }
}

function mergedObjects(general: JsonObject, particular: JsonObject): JsonObject {
  const entries = new Map(Object.entries(general))
  for (const [key, value] of Object.entries(particular)) {
    const below = entries.get(key)
    entries.set(key, isObject(below) && isObject(value) ? mergedObjects(below, value) : value)
  }
  // `fromEntries`, since an assignment would lose a key named `__proto__`.
  return Object.fromEntries(entries)
}

/** The distinct items of both lists, in order. */
const united = (of: readonly Json[], more: readonly Json[]): Json[] => [
  ...new Map([...of, ...more].map((each) => [JSON.stringify(each), each])).values(),
]

const isObject = (value: Json | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)
