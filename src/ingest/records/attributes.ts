import { storable } from '../../logs/pattern.ts'
import type { AnyValue, KeyValue } from '../../schema/otlpValues.ts'
import type { Json } from '../../schema/text.ts'

/** Deeper nesting is cut off: PostgreSQL's JSON has a limit too. */
const maxDepth = 32

/**
 * An attribute's value as JSON.
 *
 * | value | JSON |
 * |---|---|
 * | an integer beyond 2^53, NaN, an infinity | a string |
 * | bytes | their base64 |
 * | NUL and lone surrogates in a text | U+FFFD |
 * | an empty value | null |
 */
export function jsonOf(value: AnyValue | null | undefined, depth = 0): Json {
  if (value == null || depth > maxDepth) return null
  if (value.stringValue != null) return storable(value.stringValue)
  if (value.intValue != null) {
    const number = Number(value.intValue)
    return Number.isSafeInteger(number) ? number : storable(String(value.intValue))
  }
  if (value.boolValue != null) return value.boolValue
  if (value.doubleValue != null) {
    const number = Number(value.doubleValue)
    return Number.isFinite(number) ? number : storable(String(value.doubleValue))
  }
  if (value.arrayValue != null) return (value.arrayValue.values ?? []).map((item) => jsonOf(item, depth + 1))
  if (value.kvlistValue != null) return attributesOf(value.kvlistValue.values ?? [], depth + 1)
  if (value.bytesValue != null) return storable(value.bytesValue)
  return null
}

/** Attributes as a JSON object, keys in order. If a key occurs twice, the last value counts. */
export function attributesOf(list: readonly KeyValue[], depth = 0): Record<string, Json> {
  const values = new Map<string, Json>()
  for (const { key, value } of list) values.set(storable(key ?? ''), jsonOf(value, depth))
  // fromEntries defines own properties: a key named __proto__ is data.
  return Object.fromEntries([...values].sort(([a], [b]) => (a < b ? -1 : 1)))
}

/** The type of an attribute's value, named as in OpenTelemetry's data model. */
export function typeOf(value: AnyValue | null | undefined): string {
  if (value == null) return 'empty'
  if (value.stringValue != null) return 'string'
  if (value.intValue != null) return 'int'
  if (value.boolValue != null) return 'bool'
  if (value.doubleValue != null) return 'double'
  if (value.arrayValue != null) return 'array'
  if (value.kvlistValue != null) return 'map'
  return value.bytesValue != null ? 'bytes' : 'empty'
}

/** The type of an attribute seen with both types: `mixed` if they differ. */
export const mergedType = (known: string | undefined, type: string): string => (known === undefined || known === type ? type : 'mixed')

/**
 * Looks attributes up by name. If several names are given, the first with a value counts: list the
 * current names of the semantic conventions before the old ones.
 */
export class AttributeLookup {
  readonly #values = new Map<string, AnyValue>()

  constructor(list: readonly KeyValue[]) {
    for (const { key, value } of list) if (value != null) this.#values.set(key ?? '', value)
  }

  has(...names: string[]): boolean {
    return names.some((name) => this.#values.has(name))
  }

  /** The first text that is not empty; numbers and booleans are converted to text. */
  text(...names: string[]): string | undefined {
    for (const name of names) {
      const text = textOf(this.#values.get(name))
      if (text !== undefined) return text
    }
    return undefined
  }

  /**
   * The texts of the first name that has a value; for a list, those of its elements that are not
   * lists.
   */
  texts(...names: string[]): string[] {
    for (const name of names) {
      const value = this.#values.get(name)
      const texts = (value?.arrayValue?.values ?? [value]).flatMap((one) => textOf(one) ?? [])
      if (texts.length > 0) return texts
    }
    return []
  }

  /** The smallest of these namespaces that an attribute's name begins with, up to its first dot. */
  leastNamespace(namespaces: { has(name: string): boolean }): string | undefined {
    const found = [...this.#values.keys()].map((name) => name.slice(0, Math.max(0, name.indexOf('.'))))
    return found.filter((name) => namespaces.has(name)).sort()[0]
  }

  /** A port: a whole number from 1 to 65,535. */
  port(...names: string[]): number | undefined {
    const port = Number(this.text(...names))
    return Number.isInteger(port) && port >= 1 && port <= 65_535 ? port : undefined
  }
}

/** A text that is not empty; numbers and booleans are converted to text. */
function textOf(value: AnyValue | null | undefined): string | undefined {
  const text = value?.stringValue ?? value?.intValue ?? value?.doubleValue ?? value?.boolValue
  return text == null || text === '' ? undefined : String(text)
}
