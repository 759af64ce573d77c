import { InvalidInputError } from '../../schema/errors.ts'
import { parse, preview } from '../../schema/parse.ts'
import { storableText } from '../../schema/text.ts'
import { AgtypeEdge, AgtypeNumeric, AgtypePath, AgtypeVertex, type Agtype } from './agtype.ts'

/**
 * What `encodeAgtype` takes: a value of agtype, which may contain dates. A date becomes text in
 * UTC, because agtype has no times.
 */
export type AgtypeInput = Agtype | Date | readonly AgtypeInput[] | { readonly [key: string]: AgtypeInput }

/** AGE reads nested values recursively, and parameters are not documents. */
const maxDepth = 100

/**
 * Encodes a value as text of AGE's type `agtype`, exactly: `decodeAgtype` returns the same value.
 *
 * | value | agtype |
 * |---|---|
 * | number without a fraction, up to 2^53 - 1 either way | integer |
 * | any other number | float |
 * | bigint | 64-bit integer |
 * | `Date` | text in UTC, which sorts by time and which `timestamptz` reads |
 *
 * @param name the name of the value in errors.
 * @throws InvalidInputError with the path of what agtype cannot hold: undefined, functions,
 * symbols, instances of other classes, integers beyond 64 bits, text with NUL or a lone surrogate,
 * circular values, and nesting deeper than 100 levels.
 * @example
 * encodeAgtype({ since: new Date(0), ids: [9007199254740993n], most: Infinity })
 * // {"since": "1970-01-01T00:00:00.000Z", "ids": [9007199254740993], "most": Infinity}
 */
export function encodeAgtype(value: AgtypeInput, name = 'value'): string {
  return written(value, name, 0)
}

function written(value: unknown, path: string, depth: number): string {
  if (depth > maxDepth) throw new InvalidInputError(path.slice(0, 80), `is circular, or is nested deeper than ${maxDepth} levels`)
  if (value === null) return 'null'
  if (typeof value === 'boolean') return String(value)
  if (typeof value === 'string') return quoted(value, path)
  if (typeof value === 'number') return numberText(value)
  if (typeof value === 'bigint') return integerText(value, path)
  if (value instanceof Date) return dateText(value, path)
  if (value instanceof AgtypeNumeric) return `${checked(/^-?\d+(\.\d+)?$|^NaN$/, value.digits, `${path}.digits`)}::numeric`
  if (value instanceof AgtypeVertex) return vertexText(value, path, depth)
  if (value instanceof AgtypeEdge) return edgeText(value, path, depth)
  if (value instanceof AgtypePath) return pathText(value, path, depth)
  if (Array.isArray(value)) return listText(value, path, depth)
  if (isPlainObject(value)) return mapText(value, path, depth)
  throw new InvalidInputError(path, `must be null, a boolean, number, bigint, text, Date, array or plain object, got ${shown(value)}`)
}

const quoted = (text: string, path: string): string => JSON.stringify(parse(storableText, text, path))

function numberText(value: number): string {
  if (Object.is(value, -0)) return '-0.0'
  const text = String(value)
  return Number.isSafeInteger(value) || /[.eIN]/.test(text) ? text : `${text}.0`
}

function integerText(value: bigint, path: string): string {
  if (BigInt.asIntN(64, value) !== value) throw new InvalidInputError(path, `must be an integer of 64 bits, got ${value}`)
  return String(value)
}

function dateText(value: Date, path: string): string {
  if (Number.isNaN(value.getTime())) throw new InvalidInputError(path, 'must be a date, got an invalid Date')
  return `"${value.toISOString()}"`
}

// `Array.from`, because `map` skips the holes of an array.
const listText = (list: readonly unknown[], path: string, depth: number): string =>
  `[${Array.from(list, (value, index) => written(value, `${path}[${index}]`, depth + 1)).join(', ')}]`

function mapText(map: Record<string, unknown>, path: string, depth: number): string {
  const fields = Object.entries(map).map(([key, value]) => {
    const here = /^[\w-]{1,80}$/.test(key) ? `${path}.${key}` : `${path}[${preview(key)}]`
    return `${quoted(key, here)}: ${written(value, here, depth + 1)}`
  })
  return `{${fields.join(', ')}}`
}

function vertexText({ id, label, properties }: AgtypeVertex, path: string, depth: number): string {
  return `{"id": ${graphId(id, `${path}.id`)}, "label": ${quoted(label, `${path}.label`)}, "properties": ${mapText(properties, `${path}.properties`, depth)}}::vertex`
}

function edgeText({ id, label, start_id, end_id, properties }: AgtypeEdge, path: string, depth: number): string {
  const ends = `"end_id": ${graphId(end_id, `${path}.end_id`)}, "start_id": ${graphId(start_id, `${path}.start_id`)}`
  return `{"id": ${graphId(id, `${path}.id`)}, "label": ${quoted(label, `${path}.label`)}, ${ends}, "properties": ${mapText(properties, `${path}.properties`, depth)}}::edge`
}

function pathText({ vertices, edges }: AgtypePath, path: string, depth: number): string {
  if (vertices.length !== edges.length + 1) throw new InvalidInputError(path, 'must have one more vertex than edges')
  const parts = vertices.flatMap((vertex, index) => {
    const edge = edges[index]
    const here = vertexText(vertex, `${path}.vertices[${index}]`, depth + 1)
    return edge === undefined ? [here] : [here, edgeText(edge, `${path}.edges[${index}]`, depth + 1)]
  })
  return `[${parts.join(', ')}]::path`
}

const graphId = (id: string, path: string): string => checked(/^\d{1,19}$/, id, path)

function checked(form: RegExp, text: string, path: string): string {
  if (!form.test(text)) throw new InvalidInputError(path, `must be digits, got ${preview(text)}`)
  return text
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  if (typeof value !== 'object' || value === null) return false
  const prototype: unknown = Object.getPrototypeOf(value)
  return prototype === null || prototype === Object.prototype
}

/** For example `undefined`, `a function`, `a Map`. */
const shown = (value: unknown): string =>
  value === undefined
    ? 'undefined'
    : typeof value === 'object' && value !== null
      ? `a ${value.constructor?.name ?? 'strange object'}`
      : `a ${typeof value}`
