import { hash } from 'node:crypto'
import type { OtlpPayload } from '../../schema/otlp.ts'
import { directJson } from './direct/directPayload.ts'
import { todaysNames } from './olderNames.ts'
import type { Content } from './piece.ts'
import { readRecords, type RefusedRecords } from './recordByRecord.ts'

/** The object that a request was read from, as `oo_locator` names it. */
export interface SourceObject {
  /** The bucket, or the folder of a file. */
  readonly objectBucket: string
  /** The key inside the bucket, or the file's name. */
  readonly objectKey: string
}

/** One export request and its place. */
export interface OtlpRequest {
  readonly payload: OtlpPayload
  /** The records that were refused because a field was wrong. */
  readonly refusedRecords: readonly RefusedRecords[]
  readonly origin: SourceObject
  /**
   * The line of the source object where it begins, from 1; for protobuf, the number of the message.
   */
  readonly line: number
  /** A hash of the request's bytes: requests with the same hash are one, sent or read twice. */
  readonly digest: string
}

/** A piece of input that is not an export request, and its place. */
export interface MalformedLine {
  readonly file: string
  /** The line where it begins, from 1; for protobuf, the number of the message. */
  readonly line: number
  readonly reason: string
}

const utf8 = new TextDecoder('utf-8', { fatal: true })

/**
 * Reads one export request from its JSON: a line of a file, or the body of an OTLP/HTTP request.
 *
 * @returns the request, or the reason why it is not one. It never throws, since input from outside
 * may be anything.
 */
export function parseOtlpRequest(json: string | Uint8Array, origin: SourceObject, line: number): OtlpRequest | { reason: string } {
  const read = jsonContent(json)
  return 'reason' in read ? read : requestOf(read, json, origin, line)
}

/** The export request or the document of a JSON text; or the reason why it is not JSON. */
export function jsonContent(json: string | Uint8Array): Content | { reason: string } {
  // Bytes cannot hold half a surrogate pair, which a text can.
  const bytes = typeof json !== 'string' ? json : json.isWellFormed() ? Buffer.from(json) : undefined
  const payload = bytes && directJson(bytes)
  return payload === undefined ? jsonDocument(json) : { payload }
}

/** The document of a JSON text, with current names of OTLP; or the reason why it is not JSON. */
export function jsonDocument(json: string | Uint8Array): { document: unknown } | { reason: string } {
  try {
    const text = typeof json === 'string' ? json : utf8.decode(json)
    return { document: todaysNames(JSON.parse(text), text.includes('_unix_nano"') || text.includes('"resource_')) }
  } catch (error) {
    if (typeof json !== 'string' && error instanceof TypeError) return { reason: 'not UTF-8' }
    if (error instanceof RangeError) return { reason: tooMuch }
    const nul = typeof json === 'string' ? json.includes('\0') : json.includes(0)
    return {
      reason: nul ? 'not JSON: it contains a NUL byte' : `not JSON: ${error instanceof Error ? bounded(error.message) : 'unreadable'}`,
    }
  }
}

/**
 * Attributes nest without a limit, and a request can have a million faults; the stack is limited.
 */
const tooMuch = 'not an OTLP export request: nested too deeply, or wrong in too many places'

/**
 * The export request that was read, or the reason why it is not one.
 *
 * @param written its bytes; their hash identifies it.
 */
export function requestOf(
  content: Content,
  written: string | Uint8Array,
  origin: SourceObject,
  line: number,
): OtlpRequest | { reason: string } {
  const digest = () => hash('sha256', written, 'base64')
  if ('payload' in content) return { payload: content.payload, refusedRecords: [], origin, line, digest: digest() }
  let read
  try {
    read = readRecords(content.document)
  } catch (error) {
    if (error instanceof RangeError) return { reason: tooMuch }
    throw error
  }
  if ('issue' in read) {
    const { path = [], message = 'invalid' } = read.issue ?? {}
    return { reason: `not an OTLP export request: ${bounded(`${path.join('.') || 'the document'}: ${message}`)}` }
  }
  return { ...read, origin, line, digest: digest() }
}

// The parser quotes the text where it failed: no control characters or endless text in logs and
// terminals.
const bounded = (text: string) => text.replace(/\p{Cc}/gu, '�').slice(0, 200)
