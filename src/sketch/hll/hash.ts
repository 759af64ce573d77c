import { InvalidInputError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import { hashed, hashScratch, scratchFor } from './murmurHash3.ts'

/** A value that can be hashed as PostgreSQL's extension `hll` hashes it. */
export type HashableValue = string | boolean | Uint8Array | number | bigint

/** The SQL type that a value is hashed as: 5 as `integer` differs from 5 as `bigint`. */
export type HashedType = 'text' | 'boolean' | 'bytea' | 'smallint' | 'integer' | 'bigint'

/**
 * The hash of a text in UTF-8, as `hll_hash_text` gives it: the first 64 bits of MurmurHash3 x64
 * 128, as a signed number.
 *
 * @param seed A signed 32-bit number, 0 by default. Sketches to be merged need the same seed.
 * @throws InvalidInputError if the text has a NUL character or a lone surrogate, which PostgreSQL's
 * `text` cannot hold; or if the seed is not a signed 32-bit number.
 * @example
 * hashText('hello world') // 5998619086395760910n
 *
 * // select hll_hash_text('hello world')
 */
export function hashText(value: string, seed = 0): bigint {
  hashInto(value, 'text', checkedSeed(seed))
  return lastHash()
}

/**
 * The hash of bytes, as `hll_hash_bytea` gives it.
 *
 * @throws InvalidInputError if the seed is not a signed 32-bit number.
 */
export function hashBytes(value: Uint8Array, seed = 0): bigint {
  hashInto(value, 'bytea', checkedSeed(seed))
  return lastHash()
}

/**
 * The hash of a boolean, as `hll_hash_boolean` gives it.
 *
 * @throws InvalidInputError if the seed is not a signed 32-bit number.
 */
export function hashBoolean(value: boolean, seed = 0): bigint {
  hashInto(value, 'boolean', checkedSeed(seed))
  return lastHash()
}

/**
 * The hash of a 16-bit number, as `hll_hash_smallint` gives it.
 *
 * @throws InvalidInputError if the value or the seed is out of range.
 */
export function hashSmallint(value: number | bigint, seed = 0): bigint {
  hashInto(value, 'smallint', checkedSeed(seed))
  return lastHash()
}

/**
 * The hash of a 32-bit number, as `hll_hash_integer` gives it.
 *
 * @throws InvalidInputError if the value or the seed is out of range.
 */
export function hashInteger(value: number | bigint, seed = 0): bigint {
  hashInto(value, 'integer', checkedSeed(seed))
  return lastHash()
}

/**
 * The hash of a 64-bit number, as `hll_hash_bigint` gives it.
 *
 * @throws InvalidInputError if the value or the seed is out of range; a `number` must be exact
 * (`Number.isSafeInteger`).
 */
export function hashBigint(value: number | bigint, seed = 0): bigint {
  hashInto(value, 'bigint', checkedSeed(seed))
  return lastHash()
}

/** The type that a value is hashed as by default. */
export function defaultType(value: HashableValue): HashedType {
  if (typeof value === 'string') return 'text'
  if (typeof value === 'number') return 'integer'
  if (typeof value === 'bigint') return 'bigint'
  return typeof value === 'boolean' ? 'boolean' : 'bytea'
}

/** Hashes a value into `hashed`. */
export function hashInto(value: HashableValue, type: HashedType, seed: number): void {
  if (type === 'text') {
    if (typeof value !== 'string') throw misfit(value, 'text, which takes a string')
    return hashScratch(writeText(value), seed)
  }
  if (type === 'bytea') {
    if (!(value instanceof Uint8Array)) throw misfit(value, 'bytea, which takes a Uint8Array')
    scratchFor(value.length).set(value)
    return hashScratch(value.length, seed)
  }
  if (type === 'boolean') {
    if (typeof value !== 'boolean') throw misfit(value, 'boolean, which takes true or false')
    scratchFor(1)[0] = value ? 1 : 0
    return hashScratch(1, seed)
  }
  const bytes = numberBytes.get(type)
  if (bytes === undefined) throw new InvalidInputError('type', `must be one of ${hashedTypes.join(', ')}, got ${preview(type)}`)
  writeNumber(value, type, bytes)
  hashScratch(bytes, seed)
}

const numberBytes: ReadonlyMap<string, number> = new Map([
  ['smallint', 2],
  ['integer', 4],
  ['bigint', 8],
])

const hashedTypes: readonly HashedType[] = ['text', 'boolean', 'bytea', 'smallint', 'integer', 'bigint']

/** The content of `hashed`, as one signed 64-bit number. */
const lastHash = (): bigint => (BigInt(hashed[1]!) << 32n) | BigInt(hashed[0]! >>> 0)

function checkedSeed(seed: number): number {
  if (seed !== (seed | 0)) throw new InvalidInputError('seed', `must be a signed 32-bit number, got ${preview(seed)}`)
  return seed
}

/** Writes a signed number in little-endian bytes. */
function writeNumber(value: HashableValue, type: string, bytes: number): void {
  const to = scratchFor(8)
  if (typeof value === 'number') {
    if (!Number.isSafeInteger(value) || (bytes < 8 && !fits(value, bytes))) throw misfit(value, type)
    const high = Math.floor(value / 2 ** 32)
    for (let byte = 0; byte < bytes; byte += 1) to[byte] = byte < 4 ? value >>> (8 * byte) : high >>> (8 * byte - 32)
    return
  }
  if (typeof value !== 'bigint' || BigInt.asIntN(8 * bytes, value) !== value) throw misfit(value, type)
  for (let byte = 0; byte < bytes; byte += 1) to[byte] = Number(BigInt.asUintN(8, value >> BigInt(8 * byte)))
}

const fits = (value: number, bytes: number) => value >= -(2 ** (8 * bytes - 1)) && value < 2 ** (8 * bytes - 1)

const misfit = (value: unknown, type: string) => new InvalidInputError('value', `does not fit ${type}, got ${preview(value)}`)

/**
 * Writes a text in UTF-8 and returns its length. Not by `TextEncoder`: most values are short, and
 * its call takes longer than they do.
 */
function writeText(text: string): number {
  const to = scratchFor(3 * text.length)
  let length = 0
  for (let at = 0; at < text.length; at += 1) {
    let code = text.charCodeAt(at)
    if (code < 0x80) {
      if (code === 0) throw new InvalidInputError('value', 'must not contain the NUL character, which PostgreSQL cannot store')
      to[length++] = code
      continue
    }
    if (code < 0x800) {
      to[length++] = 0xc0 | (code >> 6)
    } else {
      if ((code & 0xf800) === 0xd800) {
        const next = text.charCodeAt(at + 1)
        if (code >= 0xdc00 || (next & 0xfc00) !== 0xdc00)
          throw new InvalidInputError('value', 'must be well-formed Unicode (it has a lone surrogate)')
        at += 1
        code = 0x10000 + ((code & 0x3ff) << 10) + (next & 0x3ff)
        to[length++] = 0xf0 | (code >> 18)
        to[length++] = 0x80 | ((code >> 12) & 0x3f)
      } else {
        to[length++] = 0xe0 | (code >> 12)
      }
      to[length++] = 0x80 | ((code >> 6) & 0x3f)
    }
    to[length++] = 0x80 | (code & 0x3f)
  }
  return length
}
