import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import type { OtlpPayload } from '../../../src/schema/otlp.ts'
import { directJson, directProtobuf } from '../../../src/ingest/sources/direct/directPayload.ts'
import { jsonDocument } from '../../../src/ingest/sources/otlpRequest.ts'
import { anyValue, keyValue, type MessageType } from '../../../src/ingest/sources/protobuf/otlpMessages.ts'
import { protobufDocument } from '../../../src/ingest/sources/protobuf/protobufDocument.ts'
import { readRecords } from '../../../src/ingest/sources/recordByRecord.ts'

const throughDocument = { json: jsonDocument, protobuf: (bytes: Uint8Array) => protobufDocument(bytes) }
const direct = { json: directJson, protobuf: (bytes: Uint8Array) => directProtobuf(bytes) }

/** The payload that the document gives; undefined if anything is wrong in it. */
function expected(format: keyof typeof direct, bytes: Uint8Array): OtlpPayload | undefined {
  const read = throughDocument[format](bytes)
  if ('reason' in read) return undefined
  const records = readRecords(read.document)
  return 'issue' in records || records.refusedRecords.length > 0 ? undefined : records.payload
}

/**
 * Null is as absent, which are the same in OTLP/JSON; what nothing reads in attributes is left out.
 */
function withoutNulls(node: unknown, type?: MessageType): unknown {
  if (Array.isArray(node)) return node.map((member) => withoutNulls(member, type))
  if (typeof node !== 'object' || node === null) return node
  const fields = type && new Map([...type.fields.values()].map(({ name, of }) => [name, of]))
  const kept = Object.entries(node).flatMap(([key, value]) => {
    if (value == null || fields?.has(key) === false) return []
    const of = fields?.get(key)
    return [
      [key, withoutNulls(value, typeof of === 'function' ? of() : key === 'attributes' ? keyValue : key === 'body' ? anyValue : undefined)],
    ]
  })
  return { ...(fields?.has('values') === true && { values: [] }), ...Object.fromEntries(kept) }
}

/** Reads both ways; returns whether it was read straight from the bytes. */
export function compare(format: keyof typeof direct, bytes: Uint8Array): boolean {
  const found = direct[format](bytes)
  if (found === undefined) return false
  const through = expected(format, bytes)
  if (through === undefined) expect.fail(`read, but not through a document: ${Buffer.from(bytes).toString('latin1')}`)
  const [one, other] = [withoutNulls(found), withoutNulls(through)]
  // Many times faster than what says where they differ.
  if (!isDeepStrictEqual(one, other)) expect(one).toEqual(other)
  return true
}
