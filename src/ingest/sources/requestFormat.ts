import { maxRequestBytes } from './piece.ts'
import type { Signal } from './protobuf/otlpMessages.ts'

/**
 * The format of a source's requests: JSON, or protobuf, with the signal if its records do not show
 * it.
 */
export const requestFormats = ['json', 'protobuf', 'protobuf-traces', 'protobuf-metrics', 'protobuf-logs'] as const
export type RequestFormat = (typeof requestFormats)[number]

/** The signal that a format states for protobuf. */
export const signalIn = (format: RequestFormat | undefined): Signal | undefined =>
  format === 'protobuf-traces' ? 'traces' : format === 'protobuf-metrics' ? 'metrics' : format === 'protobuf-logs' ? 'logs' : undefined

/** How requests are arranged in a source. */
export type Container =
  /** JSON text. */
  | 'text'
  /** One protobuf message. */
  | 'message'
  /** Messages of any format, each preceded by its length. */
  | 'delimited'

/** How many bytes are needed to recognise the container. */
export const headLength = 512

const blanks: ReadonlySet<number> = new Set([9, 10, 13, 32])
const openBrace = 123
const openBracket = 91
const closeBrace = 125
const zstdMagic = Buffer.from([0x28, 0xb5, 0x2f, 0xfd])

/**
 * The container of a source by its first bytes; undefined if it is unknown.
 *
 * @param format the declared format of its requests.
 */
export function containerOf(head: Uint8Array, format?: RequestFormat): Container | undefined {
  if (format === 'json') return beginsDelimited(head) ? 'delimited' : 'text'
  if (format !== undefined) return head[0] === 0 || beginsDelimited(head) ? 'delimited' : 'message'
  const first = head.find((byte) => !blanks.has(byte))
  const control = head.some((byte) => byte < 32 && !blanks.has(byte))
  // Text has no control characters, and every protobuf message that is not empty has some.
  if (control && beginsDelimited(head)) return 'delimited'
  if (control && beginsMessage(head, Infinity)) return 'message'
  if (first === openBrace || first === openBracket) return 'text'
  // Text that is not JSON, or control characters before it, may still be followed by requests.
  return control && !Buffer.from(head).includes('\n{') ? undefined : 'text'
}

/** How many bytes are needed to recognise a message preceded by its length. */
export const delimitedHeadLength = 32

/** Whether bytes begin with a length and then a message that may have this length. */
export function beginsDelimited(head: Uint8Array): boolean {
  if (head.length < 5 || head[0]! > maxRequestBytes >>> 24) return false
  const length = Buffer.from(head.buffer, head.byteOffset, 4).readUInt32BE()
  if (length === 0 || length > maxRequestBytes) return false
  const body = head.subarray(4)
  const format = bodyFormat(body, length)
  return format !== undefined && (format !== 'json' || body.length < length || body[length - 1] === closeBrace)
}

/** The format of a message that was preceded by its length, by its first bytes. */
export function bodyFormat(body: Uint8Array, length: number): 'json' | 'zstd' | 'protobuf' | undefined {
  if (body[0] === openBrace) return 'json'
  if (zstdMagic.equals(body.subarray(0, zstdMagic.length))) return 'zstd'
  return beginsMessage(body, length) ? 'protobuf' : undefined
}

/** The tag of a resource's part, the only field of a request. */
const partTag = 0x0a
const resourceTag = 0x0a
const scopesTag = 0x12
const schemaTag = 0x1a
/** The tags of a resource's part, and those inside its fields. */
const innerTags: ReadonlyMap<number, readonly number[]> = new Map([
  [resourceTag, [0x0a, 0x10, 0x1a]],
  [scopesTag, [0x0a, 0x12, 0x1a]],
])

/**
 * Whether bytes begin like a protobuf export request of this length, as far as they are available.
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

/** The longest varint of a length that is accepted. */
const longestVarint = 4

/** The length at a position, and where its content begins. */
function lengthAt(bytes: Uint8Array, from: number): Span | undefined {
  let length = 0
  for (let at = from; at < from + longestVarint && at < bytes.length; at += 1) {
    length += (bytes[at]! & 127) * 128 ** (at - from)
    if (bytes[at]! < 128) return { length, at: at + 1 }
  }
  return undefined
}
