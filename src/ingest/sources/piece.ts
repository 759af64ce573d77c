/** A document of a source and where it stands, or what went wrong in its place. */
export type Piece =
  | {
      /** The line it begins in, from 1; of protobuf, the number of the message. */
      readonly line: number
      /** As they stand there: their hash is the request's. */
      readonly bytes: Uint8Array
      /** An export request by the names of OTLP/JSON, or anything else: it has not been checked. */
      readonly document: unknown
    }
  | { readonly line: number; readonly problem: string }

/**
 * The largest request that is read. More is no export request, and takes a multiple of it in
 * memory.
 */
export const maxRequestBytes = 64 * 1024 * 1024
