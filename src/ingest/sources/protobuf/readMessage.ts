import type { Reader } from 'protobufjs/minimal.js'
import { unreadable } from '../../../schema/otlp.ts'
import type { Field, MessageType, Scalar } from './otlpMessages.ts'
import { wire } from './wire.ts'

/** Attributes nest without a limit in the protocol; the stack is limited. */
const maxDepth = 200

/**
 * Reads a message in the form of OTLP/JSON, from the reader's position.
 *
 * | | becomes |
 * |---|---|
 * | an unknown field | nothing; in a part that contains records, an empty list under its number, so that it is reported |
 * | a field with the wire type of another type | a value that every check refuses, so that its record is refused by the field's name |
 * | a damaged record | `unreadable`, so that it is refused alone |
 * | a damaged list of records | the records that could be read, and `unreadable` |
 *
 * @param onDamage called for each damaged record or part.
 * @throws Error if the message itself is damaged, and is neither a record nor a part.
 */
export function readMessage(reader: Reader, to: number, type: MessageType, onDamage: () => void, depth = 0): unknown {
  const message: Record<string, unknown> = {}
  if (!type.refusedAlone) {
    readFields(reader, to, type, message, onDamage, depth)
    return message
  }
  const limit = reader.len
  try {
    readFields(reader, to, type, message, onDamage, depth)
    return message
  } catch {
    onDamage()
    reader.len = limit
    reader.pos = to
    if (type.list === undefined) return unreadable
    addTo(message, type.list, unreadable)
    return message
  }
}

function readFields(
  reader: Reader,
  to: number,
  type: MessageType,
  message: Record<string, unknown>,
  onDamage: () => void,
  depth: number,
): void {
  if (depth > maxDepth) throw new RangeError('nested too deeply')
  const limit = reader.len
  reader.len = to
  while (reader.pos < to) {
    const tag = reader.tag()
    const kind = tag & 7
    const number = tag >>> 3
    const field = type.fields.get(number)
    if (field === undefined) {
      if (type.holdsRecords && kind === wire.length) message[`field ${number}`] = []
      reader.skipType(kind, 0, number)
    } else if (typeof field.of === 'string') readScalar(reader, kind, field, scalars[field.of], message)
    else if (kind !== wire.length) refuse(reader, kind, field, message)
    else put(message, field, readMessage(reader, endOf(reader), field.of(), onDamage, depth + 1))
  }
  reader.len = limit
}

function endOf(reader: Reader): number {
  const length = reader.size()
  const end = reader.pos + length
  if (end > reader.len) throw new RangeError('a field is longer than the message that contains it')
  return end
}

function put(message: Record<string, unknown>, { name, repeated }: Field, value: unknown): void {
  if (repeated) addTo(message, name, value)
  else message[name] = value
}

function addTo(message: Record<string, unknown>, name: string, value: unknown): void {
  const list = message[name]
  if (Array.isArray(list)) list.push(value)
  else message[name] = [value]
}

function readScalar(reader: Reader, kind: number, field: Field, scalar: ScalarReader, message: Record<string, unknown>): void {
  if (kind === scalar.wire) put(message, field, scalar.read(reader))
  else if (field.repeated && kind === wire.length) {
    // The numbers of a list are packed, one after the other.
    const end = endOf(reader)
    const limit = reader.len
    reader.len = end
    while (reader.pos < end) put(message, field, scalar.read(reader))
    reader.len = limit
  } else refuse(reader, kind, field, message)
}

function refuse(reader: Reader, kind: number, { name, repeated }: Field, message: Record<string, unknown>): void {
  message[name] = repeated ? {} : []
  reader.skipType(kind)
}

interface ScalarReader {
  readonly wire: number
  readonly read: (reader: Reader) => unknown
}

const asBuffer = (bytes: Uint8Array) => Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)

/**
 * In hex, or a value that every check refuses: 12 bytes would be 24 digits, which base64 could be.
 */
const id = (bytes: 8 | 16): ScalarReader => ({
  wire: wire.length,
  read: (reader) => {
    const found = asBuffer(reader.bytes())
    return found.length === bytes || found.length === 0 ? found.toString('hex') : `${found.length} bytes`
  },
})

const bits64 = (high: number, low: number): bigint => (BigInt(high >>> 0) << 32n) | BigInt(low >>> 0)
const exact = (high: number, low: number): number | string => {
  const number = high * 2 ** 32 + (low >>> 0)
  return Number.isSafeInteger(number) ? number : String(BigInt(high) * 2n ** 32n + BigInt(low >>> 0))
}

/** 64 bits as two halves: exact where a double is not. */
const fixed64 = (value: (high: number, low: number) => unknown): ScalarReader => ({
  wire: wire.fixed64,
  read: (reader) => {
    const low = reader.fixed32()
    return value(reader.fixed32(), low)
  },
})

const scalars: Readonly<Record<Scalar, ScalarReader>> = {
  text: { wire: wire.length, read: (reader) => reader.string() },
  bytes: { wire: wire.length, read: (reader) => asBuffer(reader.bytes()).toString('base64') },
  id8: id(8),
  id16: id(16),
  boolean: { wire: wire.varint, read: (reader) => reader.bool() },
  double: { wire: wire.fixed64, read: (reader) => reader.double() },
  time: fixed64(bits64),
  count: fixed64(exact),
  signed: fixed64((high, low) => exact(high | 0, low)),
  varcount: {
    wire: wire.varint,
    read: (reader) => {
      const { high, low } = reader.uint64()
      return exact(high >>> 0, low)
    },
  },
  integer: {
    wire: wire.varint,
    read: (reader) => {
      const { high, low } = reader.int64()
      return String(BigInt.asIntN(64, bits64(high, low)))
    },
  },
  enum: { wire: wire.varint, read: (reader) => reader.int32() },
  zigzag: { wire: wire.varint, read: (reader) => reader.sint32() },
  fixed32: { wire: wire.fixed32, read: (reader) => reader.fixed32() },
}
