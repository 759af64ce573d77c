import { hash } from 'node:crypto'
import type { OtlpPayload } from '../../schema/otlp.ts'
import { todaysNames } from './olderNames.ts'
import { readRecords, type RefusedRecords } from './recordByRecord.ts'

/** The object a request was read from: what an `oo_locator` row names. */
export interface SourceObject {
  /** The bucket, or the folder of a file. */
  readonly objectBucket: string
  /** The key inside the bucket, or the file's name. */
  readonly objectKey: string
}

/** One export request and where it stands. */
export interface OtlpRequest {
  readonly payload: OtlpPayload
  /** What of it was not read, since a field was wrong. */
  readonly refusedRecords: readonly RefusedRecords[]
  readonly origin: SourceObject
  /**
   * The line in the source object that it begins in, from 1; of protobuf, the number of the
   * message.
   */
  readonly line: number
  /** A hash of the request's bytes: two requests with the same hash are one, sent or read twice. */
  readonly digest: string
}

/** What is no export request, and where it stands. */
export interface MalformedLine {
  readonly file: string
  /** The line it begins in, from 1; of protobuf, the number of the message. */
  readonly line: number
  readonly reason: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads one export request from its JSON, as it stands on a line of a file or in the body of an
 * OTLP/HTTP request.
 *
 * @returns the request, or the reason why it is none. It throws nothing: what comes from outside
 * may be anything.
 */
export function parseOtlpRequest(json: string | Uint8Array, origin: SourceObject, line: number): OtlpRequest | { reason: string } {
  const read = jsonDocument(json)
  return 'reason' in read ? read : requestOf(read.document, json, origin, line)
}

/** What stands in a JSON text, by the names that OTLP has today; or why it is no JSON. */
export function jsonDocument(json: string | Uint8Array): { document: unknown } | { reason: string } {
  try {
    const text = typeof json === 'string' ? json : utf8.decode(json)
    return { document: todaysNames(JSON.parse(text), text.includes('_unix_nano"') || text.includes('"resource_')) }
  } catch (error) {
    if (typeof json !== 'string' && error instanceof TypeError) return { reason: 'not UTF-8' }
    if (error instanceof RangeError) return { reason: tooMuch }
    const nul = typeof json === 'string' ? json.includes('\0') : json.includes(0)
    return { reason: nul ? 'not JSON: it holds a NUL byte' : `not JSON: ${error instanceof Error ? bounded(error.message) : 'unreadable'}` }
  }
}

/**
 * Attributes nest without a limit, and a request can have a million faults; the stack has a limit.
 */
const tooMuch = 'not an OTLP export request: nested too deeply, or wrong in too many places'

/**
 * The export request that a document holds, or the reason why it is none.
 *
 * @param written the bytes of the document: their hash tells it from others.
 */
export function requestOf(
  document: unknown,
  written: string | Uint8Array,
  origin: SourceObject,
  line: number,
): OtlpRequest | { reason: string } {
  let read
  try {
    read = readRecords(document)
  } catch (error) {
    if (error instanceof RangeError) return { reason: tooMuch }
    throw error
  }
  if ('issue' in read) {
    const { path = [], message = 'invalid' } = read.issue ?? {}
    return { reason: `not an OTLP export request: ${bounded(`${path.join('.') || 'the document'}: ${message}`)}` }
  }
  return { ...read, origin, line, digest: hash('sha256', written, 'base64') }
}

// The parser quotes the text it stumbled over: no control characters and no endless text into logs
// and terminals.
const bounded = (text: string) => text.replace(/\p{Cc}/gu, '�').slice(0, 200)
