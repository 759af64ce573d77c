import { isUtf8 } from 'node:buffer'
import type { OtlpPayload } from '../../../schema/otlp.ts'
import type { Signal } from '../protobuf/otlpMessages.ts'
import { signalOf } from '../protobuf/signalOf.ts'
import { fieldsOf, wire } from '../protobuf/wire.ts'
import { fault } from './fields.ts'
import { JsonFields } from './jsonFields.ts'
import { ProtobufFields } from './protobufFields.ts'
import { addPart, readNamedRequest } from './readRequest.ts'

/**
 * The export request in JSON or protobuf, read straight from its bytes: as the document would be
 * read, and faster, since no document is made.
 *
 * Texts and attributes that occur in many requests are the same objects again, frozen.
 *
 * @returns undefined if anything is not as expected: the document shows what.
 */
export const directJson = (bytes: Uint8Array): OtlpPayload | undefined => withoutFaults(() => readJson(bytes))

/** @param signal the signal of its records, if they do not show it (see `signalOf`). */
export const directProtobuf = (bytes: Uint8Array, signal?: Signal): OtlpPayload | undefined =>
  withoutFaults(() => readProtobuf(bytes, signal))

function withoutFaults<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    // Whatever it was, the way through the document meets it again and says what it is.
    return undefined
  }
}

function readJson(bytes: Uint8Array): OtlpPayload {
  const fields = new JsonFields(bytes)
  const payload = readNamedRequest(fields)
  if (!fields.isAtEnd || !isUtf8(bytes)) throw fault
  return payload
}

function readProtobuf(bytes: Uint8Array, signal: Signal | undefined): OtlpPayload {
  const parts: { from: number; to: number; signal: Signal | 'none' | undefined }[] = []
  for (const { number, wire: kind, from, to } of fieldsOf(bytes)) {
    if (number === 1 && kind === wire.length) parts.push({ from, to, signal: signal ?? signalOf(bytes, from, to) })
  }
  const isTold = (told: Signal | 'none' | undefined): told is Signal => told !== undefined && told !== 'none'
  const told = parts.map((part) => part.signal).find(isTold)
  if (told === undefined) throw fault
  const payload: OtlpPayload = {}
  for (const part of parts) addPart(new ProtobufFields(bytes, part.from, part.to), isTold(part.signal) ? part.signal : told, payload)
  return payload
}
