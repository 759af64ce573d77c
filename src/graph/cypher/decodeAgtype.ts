import { z } from 'zod'
import { InvalidInputError } from '../../schema/errors.ts'
import { parse, preview } from '../../schema/parse.ts'
import { AgtypeEdge, AgtypeNumeric, AgtypePath, AgtypeVertex, type Agtype, type AgtypeMap } from './agtype.ts'

/**
 * Decodes a text of AGE's type `agtype` exactly: 64-bit integers, infinities, numerics and vertices
 * at any depth.
 *
 * Use it for columns of `cypher` declared as `'agtype'`, and for values that a driver reads from
 * AGE's own tables.
 *
 * @throws InvalidInputError if the text is not agtype or is nested deeper than 1,000 levels.
 * @example
 * decodeAgtype('{"big": 9223372036854775807, "worst": [1.5, -Infinity]}')
 * // { big: 9223372036854775807n, worst: [1.5, -Infinity] }
 * decodeAgtype('{"id": 844424930131969, "label": "Resource", "properties": {"urn": "a"}}::vertex')
 * // AgtypeVertex { id: '844424930131969', label: 'Resource', properties: { urn: 'a' } }
 */
export function decodeAgtype(text: string): Agtype {
  const reader = new AgtypeReader(parse(z.string(), text, 'agtype'))
  const value = reader.value()
  reader.end()
  return value
}

/** Each level takes stack space, and results of queries are not this deep. */
const maxDepth = 1_000

/** The space between two parts of a value. */
const space = /\s*/y
/** Integers stay text too until it is known whether they are the id of a vertex. */
const number = /-?(?:Infinity|NaN|\d+(\.\d+)?([eE][+-]?\d+)?)/y
const string = /"[^"\\]*(?:\\.[^"\\]*)*"/y
const word = /null|true|false/y
const annotation = /::(numeric|vertex|edge|path)/y

/**
 * Reads a text from beginning to end, one value after the other. AGE writes JSON with a few
 * additions.
 */
class AgtypeReader {
  readonly #text: string
  #at = 0
  #depth = 0

  constructor(text: string) {
    this.#text = text
  }

  value(): Agtype {
    this.#take(space)
    const begin = this.#at
    const bare = this.#bare()
    const end = this.#at
    const kind = this.#take(annotation)?.slice(2)
    if (kind === undefined) return bare
    if (kind === 'numeric' && (typeof bare === 'number' || typeof bare === 'bigint')) return new AgtypeNumeric(this.#text.slice(begin, end))
    const entity = kind === 'path' ? pathOf(bare) : kind === 'vertex' ? vertexOf(bare) : edgeOf(bare)
    if (entity !== undefined) return entity
    this.#at = begin
    throw this.#refusal(`a value marked as ${kind} that is not one`)
  }

  end(): void {
    this.#take(space)
    if (this.#at < this.#text.length) throw this.#refusal('more than one value')
  }

  #bare(): Agtype {
    const text = this.#take(string)
    if (text !== undefined) return this.#string(text)
    if (this.#sign('[')) return this.#nested(() => this.#list())
    if (this.#sign('{')) return this.#nested(() => this.#map())
    const name = this.#take(word)
    if (name !== undefined) return name === 'null' ? null : name === 'true'
    const digits = this.#take(number)
    if (digits === undefined) throw this.#refusal('no value')
    return numberOf(digits)
  }

  #nested<T>(read: () => T): T {
    if (this.#depth === maxDepth) throw this.#refusal(`more than ${maxDepth} levels`)
    this.#depth += 1
    const value = read()
    this.#depth -= 1
    return value
  }

  #list(): Agtype[] {
    const list: Agtype[] = []
    if (this.#sign(']')) return list
    do list.push(this.value())
    while (this.#sign(','))
    if (!this.#sign(']')) throw this.#refusal('a list that does not end')
    return list
  }

  #map(): AgtypeMap {
    const map: AgtypeMap = {}
    if (this.#sign('}')) return map
    do {
      this.#take(space)
      const key = this.#take(string)
      if (key === undefined || !this.#sign(':')) throw this.#refusal('a map without a key')
      // Not an assignment, because a key may be __proto__.
      Object.defineProperty(map, this.#string(key), { value: this.value(), enumerable: true, writable: true, configurable: true })
    } while (this.#sign(','))
    if (!this.#sign('}')) throw this.#refusal('a map that does not end')
    return map
  }

  /** AGE writes strings as JSON does. */
  #string(quoted: string): string {
    try {
      return JSON.parse(quoted) as string
    } catch (cause) {
      throw new InvalidInputError('agtype', `has an invalid string: ${preview(quoted)}`, { cause })
    }
  }

  #take(part: RegExp): string | undefined {
    part.lastIndex = this.#at
    const found = part.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }

  #sign(sign: string): boolean {
    this.#take(space)
    if (this.#text[this.#at] !== sign) return false
    this.#at += 1
    return true
  }

  #refusal(problem: string): InvalidInputError {
    return new InvalidInputError('agtype', `has ${problem} at position ${this.#at}: ${preview(this.#text.slice(this.#at))}`)
  }
}

function numberOf(digits: string): number | bigint {
  const value = Number(digits)
  return /^-?\d+$/.test(digits) && !Number.isSafeInteger(value) ? BigInt(digits) : value
}

function vertexOf(value: Agtype): AgtypeVertex | undefined {
  if (!isMap(value)) return undefined
  const { id, label, properties } = value
  if (!isId(id) || typeof label !== 'string' || !isMap(properties)) return undefined
  return new AgtypeVertex({ id: String(id), label, properties })
}

function edgeOf(value: Agtype): AgtypeEdge | undefined {
  if (!isMap(value)) return undefined
  const { id, label, start_id, end_id, properties } = value
  if (!isId(id) || !isId(start_id) || !isId(end_id) || typeof label !== 'string' || !isMap(properties)) return undefined
  return new AgtypeEdge({ id: String(id), label, start_id: String(start_id), end_id: String(end_id), properties })
}

function pathOf(value: Agtype): AgtypePath | undefined {
  if (!Array.isArray(value)) return undefined
  const vertices = value.filter((part) => part instanceof AgtypeVertex)
  const edges = value.filter((part) => part instanceof AgtypeEdge)
  return vertices.length + edges.length === value.length ? new AgtypePath(vertices, edges) : undefined
}

const isId = (value: Agtype | undefined): value is number | bigint => typeof value === 'number' || typeof value === 'bigint'

const isMap = (value: Agtype | undefined): value is AgtypeMap =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
