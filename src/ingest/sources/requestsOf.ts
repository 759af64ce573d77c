import type { Readable } from 'node:stream'
import type { MalformedLine, OtlpRequest, SourceObject } from './otlpRequest.ts'
import type { ReadableRequest } from './readableRequest.ts'
import { readRequests, type RefusedInput } from './readOtlp.ts'
import type { RequestFormat } from './requestFormat.ts'
import { nameOfSource } from './sourceBytes.ts'
import { readTextLogs, type RecognisedText, type TextLogOptions } from './text/readTextLogs.ts'

/** A source of telemetry: a file's path, or a stream of its bytes. */
export type OtlpSource = string | Readable | AsyncIterable<string | Uint8Array>

/** One of several sources that are loaded together. */
export interface PlacedSource {
  source: OtlpSource
  /** The location that locators store for its records. Default: the file's folder and name. */
  origin?: SourceObject | undefined
}

/** How sources are read, and what is told of it. */
export interface ReadingOptions {
  format?: RequestFormat | undefined
  text?: TextLogOptions | undefined
  signal?: AbortSignal | undefined
  onMalformed?: ((malformed: MalformedLine) => void) | undefined
  onRefused?: ((refused: RefusedInput) => void) | undefined
  onRecognised?: ((recognised: RecognisedText) => void) | undefined
  /** Told the name of a source without a request. */
  onNothing?: ((source: string) => void) | undefined
}

/** The requests of all sources, one source after the other; each is opened when its turn comes. */
export async function* requestsOf(
  sources: readonly PlacedSource[],
  { format, text, signal, onMalformed, onRefused, onRecognised, onNothing }: ReadingOptions,
): AsyncGenerator<ReadableRequest> {
  for (const { source, origin } of sources) {
    let found = false
    const requests =
      text === undefined
        ? readRequests(source, { signal, origin, onMalformed, format, onRefused })
        : kept(readTextLogs(source, { signal, origin, onMalformed, ...text, onRecognised }))
    for await (const request of requests) {
      found = true
      yield request
    }
    if (!found) onNothing?.(nameOfSource(source, origin))
  }
}

/** Those of a text hold one record each, and are small. */
async function* kept(requests: AsyncIterable<OtlpRequest>): AsyncGenerator<ReadableRequest> {
  for await (const request of requests) yield { request, again: () => request }
}
