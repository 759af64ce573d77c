import type { Readable } from 'node:stream'
import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { storableText } from '../../schema/text.ts'
import { piecesOf } from './pieces.ts'
import type { RefusedRecords } from './recordByRecord.ts'
import { readable, type ReadableRequest } from './readableRequest.ts'
import { requestFormats, type RequestFormat } from './requestFormat.ts'
import { chunksOf, nameOfSource, placeOfSource } from './sourceBytes.ts'
import { requestOf, type MalformedLine, type OtlpRequest, type SourceObject } from './otlpRequest.ts'

/** Records that were refused, and their place. */
export interface RefusedInput extends RefusedRecords {
  readonly file: string
  readonly line: number
}

export interface ReadOtlpOptions {
  /** Stops the reading: the next request is not yielded, and the signal's reason is thrown. */
  signal?: AbortSignal
  /**
   * Called for each piece of the input that is not an export request. Without it they are skipped
   * silently.
   */
  onMalformed?: (malformed: MalformedLine) => void
  /** Called for records of a request that are refused because a field is wrong. */
  onRefused?: (refused: RefusedInput) => void
  /**
   * The location that locators store for the records. Default: the folder and name of a file, also
   * of a stream that has a `path`; `-` for any other stream.
   */
  origin?: SourceObject
  /**
   * The format of the requests, if their bytes do not show it: JSON, protobuf, or protobuf of one
   * signal, for records without any field that shows it (no times, no kind, no ids).
   */
  format?: RequestFormat
}

const readOtlpOptions = z.strictObject({
  signal: z.instanceof(AbortSignal).optional(),
  onMalformed: z.custom<ReadOtlpOptions['onMalformed']>((value) => typeof value === 'function', 'must be a function').optional(),
  onRefused: z.custom<ReadOtlpOptions['onRefused']>((value) => typeof value === 'function', 'must be a function').optional(),
  origin: z.strictObject({ objectBucket: storableText, objectKey: storableText }).optional(),
  format: z.enum(requestFormats).optional(),
})

/**
 * Reads export requests of traces, metrics and logs, in JSON or protobuf.
 *
 * | format | written by |
 * |---|---|
 * | JSON, one request per line | the OpenTelemetry Collector's file exporter |
 * | JSON over many lines, one request after the other; an array of requests | `jq`, people |
 * | protobuf, one message | the body of an OTLP/HTTP request |
 * | protobuf or JSON, each message preceded by its length, plain or compressed by zstd | the file exporter with `format: proto`, `compression: zstd` |
 *
 * Each of them may be plain, gzip or zstd. The format is recognised by the bytes, not by the file's
 * name; `format` overrides this. Reading is streaming: only one request is in memory, at most 64
 * MB.
 *
 * | input | |
 * |---|---|
 * | a record with a wrong field | refused alone and passed to `onRefused`; the rest of its request is read |
 * | malformed: not JSON, not an export request, a NUL byte, not UTF-8, longer than 64 MB, cut off by damaged gzip | passed to `onMalformed` with the file's name, the line where it begins (from 1) and the reason; the input before and after it is read |
 * | several lines in a row that are not JSON | one malformed piece |
 * | protobuf | the number of the message takes the place of the line |
 *
 * @example
 * for await (const { payload, line } of readOtlp('telemetry.jsonl.gz', { onMalformed: console.warn })) {
 *   console.log(line, payload.resourceSpans?.length ?? 0)
 * }
 *
 * @param source a file's path, or a stream of its bytes.
 * @throws InvalidInputError naming the option that is unknown or wrong; the file system's error if
 * the file cannot be read; the signal's reason if aborted.
 */
export async function* readOtlp(
  source: string | Readable | AsyncIterable<string | Uint8Array>,
  options: ReadOtlpOptions = {},
): AsyncGenerator<OtlpRequest, void> {
  for await (const { request } of readRequests(source, options)) yield request
}

/** The same requests, for a caller that does not keep them and may want one again. */
export async function* readRequests(
  source: string | Readable | AsyncIterable<string | Uint8Array>,
  options: ReadOtlpOptions = {},
): AsyncGenerator<ReadableRequest, void> {
  const { signal, onMalformed, onRefused, origin, format } = parseOptions(readOtlpOptions, options)
  const place = origin ?? placeOfSource(source)
  const file = nameOfSource(source, origin)
  signal?.throwIfAborted()
  for await (const piece of piecesOf(chunksOf(source, signal), format)) {
    signal?.throwIfAborted()
    const { line } = piece
    const request = 'problem' in piece ? { reason: piece.problem } : requestOf(piece.content, piece.bytes, place, line)
    if ('problem' in piece || 'reason' in request) {
      if ('reason' in request) onMalformed?.({ file, line, reason: request.reason })
      continue
    }
    for (const refused of request.refusedRecords) onRefused?.({ file, line, ...refused })
    yield readable(request, piece.bytes, format)
  }
  signal?.throwIfAborted()
}
