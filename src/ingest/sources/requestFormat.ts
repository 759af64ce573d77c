import { maxRequestBytes } from './piece.ts'
import type { Signal } from './protobuf/otlpMessages.ts'

/**
 * How the requests of a source are written: JSON, or protobuf, with what its records are where they
 * do not tell.
 */
export const requestFormats = ['json', 'protobuf', 'protobuf-traces', 'protobuf-metrics', 'protobuf-logs'] as const
export type RequestFormat = (typeof requestFormats)[number]

/** What a format says of protobuf's records. */
export const signalIn = (format: RequestFormat | undefined): Signal | undefined =>
  format === 'protobuf-traces' ? 'traces' : format === 'protobuf-metrics' ? 'metrics' : format === 'protobuf-logs' ? 'logs' : undefined

/** How requests lie in a source. */
export type Container =
  /** JSON text. */
  | 'text'
  /** One protobuf message. */
  | 'message'
  /** Messages of any format, each with its length before it. */
  | 'delimited'

/** So many bytes tell containers apart. */
export const headLength = 512

const blanks: ReadonlySet<number> = new Set([9, 10, 13, 32])
const openBrace = 123
const openBracket = 91
const closeBrace = 125
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

/**
 * The container that a source has by its first bytes; undefined where it is none that is known.
 *
 * @param format what its requests are said to be.
 */
export function containerOf(head: Uint8Array, format?: RequestFormat): Container | undefined {
  if (format === 'json') return beginsDelimited(head) ? 'delimited' : 'text'
  if (format !== undefined) return head[0] === 0 || beginsDelimited(head) ? 'delimited' : 'message'
  const first = head.find((byte) => !blanks.has(byte))
  const control = head.some((byte) => byte < 32 && !blanks.has(byte))
  // No text holds control characters, and no protobuf that has anything in it does without.
  if (control && beginsDelimited(head)) return 'delimited'
  if (control && beginsMessage(head, Infinity)) return 'message'
  if (first === openBrace || first === openBracket) return 'text'
  // Text that is no JSON, or control characters before it, may still be followed by requests.
  return control && !Buffer.from(head).includes('\n{') ? undefined : 'text'
}

/** So many bytes tell whether a message with its length before it begins. */
export const delimitedHeadLength = 32

/** Whether bytes begin with a length and then a message that may be so long. */
export function beginsDelimited(head: Uint8Array): boolean {
  if (head.length < 5 || head[0]! > maxRequestBytes >>> 24) return false
  const length = Buffer.from(head.buffer, head.byteOffset, 4).readUInt32BE()
  if (length === 0 || length > maxRequestBytes) return false
  const body = head.subarray(4)
  const format = bodyFormat(body, length)
  return format !== undefined && (format !== 'json' || body.length < length || body[length - 1] === closeBrace)
}

/** What a message that was written with its length before it begins as. */
export function bodyFormat(body: Uint8Array, length: number): 'json' | 'zstd' | 'protobuf' | undefined {
  if (body[0] === openBrace) return 'json'
  if (zstdMagic.equals(body.subarray(0, zstdMagic.length))) return 'zstd'
  return beginsMessage(body, length) ? 'protobuf' : undefined
}

/** The tag of a resource's part, which is all that a request holds. */
const partTag = 0x0a
const resourceTag = 0x0a
const scopesTag = 0x12
const schemaTag = 0x1a
/** The tags of a resource's part, and those of what stands in its fields. */
const innerTags: ReadonlyMap<number, readonly number[]> = new Map([
  [resourceTag, [0x0a, 0x10, 0x1a]],
  [scopesTag, [0x0a, 0x12, 0x1a]],
])

/**
 * Whether bytes begin as an export request of so many bytes does in protobuf, as far as they go.
 */
function beginsMessage(bytes: Uint8Array, length: number): boolean {
  let at = 0
  do {
    if (bytes[at] !== partTag) return false
    const part = lengthAt(bytes, at + 1)
    if (part === undefined) return at > 0 && at + longestVarint >= bytes.length
    if (part.at + part.length > length || (at === 0 && !beginsPart(bytes, part))) return false
    at = part.at + part.length
  } while (at < length && at < bytes.length)
  return true
}

function beginsPart(bytes: Uint8Array, part: Span): boolean {
  if (part.length === 0) return true
  const tag = bytes[part.at]!
  if (tag !== resourceTag && tag !== scopesTag && tag !== schemaTag) return false
  const inner = lengthAt(bytes, part.at + 1)
  if (inner === undefined || inner.at + inner.length > part.at + part.length) return false
  return inner.length === 0 || inner.at >= bytes.length || (innerTags.get(tag)?.includes(bytes[inner.at]!) ?? true)
}

interface Span {
  at: number
  length: number
}

/** Lengths of what is read go no further. */
const longestVarint = 4

/** The length that stands at a place, and where what is so long begins. */
function lengthAt(bytes: Uint8Array, from: number): Span | undefined {
  let length = 0
  for (let at = from; at < from + longestVarint && at < bytes.length; at += 1) {
    length += (bytes[at]! & 127) * 128 ** (at - from)
    if (bytes[at]! < 128) return { length, at: at + 1 }
  }
  return undefined
}
