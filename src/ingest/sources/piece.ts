/** A document of a source and its place, or the problem found in its place. */
export type Piece =
  | {
      /** The line where it begins, from 1; for protobuf, the number of the message. */
      readonly line: number
      /** The unchanged bytes: their hash is the request's. */
      readonly bytes: Uint8Array
      /** A possible export request with the names of OTLP/JSON, not checked yet. */
      readonly document: unknown
    }
  | { readonly line: number; readonly problem: string }

/**
 * The largest request that is read. A longer one is unlikely to be an export request, and takes a
 * multiple of its size in memory.
 */
export const maxRequestBytes = 64 * 1024 * 1024
