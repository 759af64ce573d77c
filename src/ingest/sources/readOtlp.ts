import { createReadStream } from 'node:fs'
import { basename, dirname } from 'node:path'
import type { Readable } from 'node:stream'
import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { storableText } from '../../schema/text.ts'
import { piecesOf } from './pieces.ts'
import type { RefusedRecords } from './recordByRecord.ts'
import { requestFormats, type RequestFormat } from './requestFormat.ts'
import { requestOf, type MalformedLine, type OtlpRequest, type SourceObject } from './otlpRequest.ts'

/** Records that were refused, and where they stand. */
export interface RefusedInput extends RefusedRecords {
  readonly file: string
  readonly line: number
}

export interface ReadOtlpOptions {
  /** Stops the reading: the next request is not yielded, and the signal's reason is thrown. */
  signal?: AbortSignal
  /**
   * Told of everything that is no export request. Without it that is passed over in silence.
   */
  onMalformed?: (malformed: MalformedLine) => void
  /** Told of the records of a request that are not read, since a field is wrong. */
  onRefused?: (refused: RefusedInput) => void
  /**
   * What locators name as the place of the records. Default: the folder and name of a file, also of
   * a stream that has a `path`; `-` for any other stream.
   */
  origin?: SourceObject
  /**
   * What the requests are, where their bytes are not to tell: JSON, protobuf, or protobuf of one
   * signal, for records that do not tell what they are (no times, no kind, no ids).
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
 * | | written by |
 * |---|---|
 * | JSON, a request a line | the OpenTelemetry Collector's file exporter |
 * | JSON over many lines, one request after the other; an array of requests | `jq`, people |
 * | protobuf, one message | the body of an OTLP/HTTP request |
 * | protobuf or JSON, each message with its length before it, plain or compressed by zstd | the file exporter with `format: proto`, `compression: zstd` |
 *
 * Each of them plain, gzip or zstd. The bytes tell, not the file's name; `format` overrules them.
 * Streaming: in memory is one request, of 64 MB at most.
 *
 * A record with a field that is wrong is refused alone: it goes to `onRefused`, and the rest of its
 * request is read. What is malformed goes to `onMalformed` with the file's name, the line it begins
 * in, from 1, and the reason; what is before and after it is read. Malformed is what is not JSON or
 * not an export request, has a NUL byte, is not UTF-8, is longer than 64 MB, or is cut off by
 * damaged gzip. Several lines in a row that are no JSON are one malformed piece. In protobuf the
 * number of the message stands for the line.
 *
 * @example
 * for await (const { payload, line } of readOtlp('telemetry.jsonl.gz', { onMalformed: console.warn })) {
 *   console.log(line, payload.resourceSpans?.length ?? 0)
 * }
 *
 * @param source a file's path, or a stream of its bytes.
 * @throws InvalidInputError naming the option that is unknown or wrong; the file system's error
 * when the file cannot be read; the signal's reason when aborted.
 */
export async function* readOtlp(
  source: string | Readable | AsyncIterable<string | Uint8Array>,
  options: ReadOtlpOptions = {},
): AsyncGenerator<OtlpRequest, void> {
  const { signal, onMalformed, onRefused, origin, format } = parseOptions(readOtlpOptions, options)
  const path = pathOf(source)
  const place =
    origin ?? (path === undefined ? { objectBucket: '-', objectKey: '-' } : { objectBucket: dirname(path), objectKey: basename(path) })
  const file = nameOfSource(source, origin)
  signal?.throwIfAborted()
  const chunks: AsyncIterable<string | Uint8Array> =
    typeof source === 'string' ? createReadStream(source, { highWaterMark: 256 * 1024 }) : source
  for await (const piece of piecesOf(signal === undefined ? chunks : untilAborted(chunks, signal), format)) {
    signal?.throwIfAborted()
    const { line } = piece
    const request = 'problem' in piece ? { reason: piece.problem } : requestOf(piece.document, piece.bytes, place, line)
    if ('reason' in request) {
      onMalformed?.({ file, line, reason: request.reason })
      continue
    }
    for (const refused of request.refusedRecords) onRefused?.({ file, line, ...refused })
    yield request
  }
  signal?.throwIfAborted()
}

/** What faults of a source are reported under. */
export const nameOfSource = (source: string | object, origin?: SourceObject): string => pathOf(source) ?? origin?.objectKey ?? '-'

/** The path of a file, or the one that a stream says it is of, as those of Node.js do. */
function pathOf(source: string | object): string | undefined {
  if (typeof source === 'string') return source
  const path: unknown = Reflect.get(source, 'path')
  return typeof path === 'string' ? path : Buffer.isBuffer(path) ? path.toString() : undefined
}

/**
 * The chunks until the signal. A source that has gone quiet (a pipe, a socket) is not waited for.
 */
async function* untilAborted<T>(chunks: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const source = chunks[Symbol.asyncIterator]()
  // One listener ends the read under way. Racing against a promise of the signal would keep every
  // chunk as long as the signal.
  let give: (reason: unknown) => void = () => {}
  const abort = () => give(signal.reason)
  signal.addEventListener('abort', abort)
  try {
    for (;;) {
      signal.throwIfAborted()
      const next = await new Promise<IteratorResult<T>>((resolve, reject) => {
        give = reject
        source.next().then(resolve, reject)
      })
      if (next.done) return
      yield next.value
    }
  } finally {
    signal.removeEventListener('abort', abort)
    // A generator in the middle of a read takes this when that ends, which may be never.
    const closed = source.return?.()
    if (signal.aborted) closed?.catch(() => {})
    else await closed
  }
}
