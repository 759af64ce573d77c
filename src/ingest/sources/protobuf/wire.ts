import protobuf from 'protobufjs/minimal.js'

/** The wire types, by protobuf's numbers. */
export const wire = { varint: 0, fixed64: 1, length: 2, fixed32: 5 } as const

/** A field of a message and its position. */
export interface WireField {
  readonly number: number
  readonly wire: number
  /** Where its content begins and ends; without the length prefix. */
  readonly from: number
  readonly to: number
}

/** A reader of a part of a message; it reads no byte beyond it. */
export function readerOf(bytes: Uint8Array, from = 0, to = bytes.length): protobuf.Reader {
  const reader = protobuf.Reader.create(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length))
  reader.pos = from
  reader.len = to
  return reader
}

/**
 * The next field of a message. The reader is then at its content, which the caller must read or
 * skip (`reader.pos = to`).
 *
 * @throws Error if it does not end inside the message.
 */
export function nextField(reader: protobuf.Reader): WireField {
  const tag = reader.tag()
  const kind = tag & 7
  const number = tag >>> 3
  if (number === 0) throw new RangeError('a field has the number 0')
  if (kind === wire.length) {
    const length = reader.size()
    const from = reader.pos
    if (from + length > reader.len) throw new RangeError('a field is longer than the message that contains it')
    return { number, wire: kind, from, to: from + length }
  }
  const from = reader.pos
  reader.skipType(kind)
  const to = reader.pos
  if (to > reader.len) throw new RangeError('a field is longer than the message that contains it')
  reader.pos = from
  return { number, wire: kind, from, to }
}

/** The fields of a piece of a message, one after the other. */
export function* fieldsOf(bytes: Uint8Array, from = 0, to = bytes.length): Generator<WireField> {
  const reader = readerOf(bytes, from, to)
  while (reader.pos < to) {
    const field = nextField(reader)
    yield field
    reader.pos = field.to
  }
}
