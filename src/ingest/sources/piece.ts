import type { OtlpPayload } from '../../schema/otlp.ts'

/**
 * An export request; or a document that may be one, not checked yet, with the names of OTLP/JSON.
 */
export type Content = { readonly payload: OtlpPayload } | { readonly document: unknown }

/** What a source has in one place, or the problem found there. */
export type Piece =
  | {
      /** The line where it begins, from 1; for protobuf, the number of the message. */
      readonly line: number
      /** The unchanged bytes: their hash is the request's. */
      readonly bytes: Uint8Array
      readonly content: Content
    }
  | { readonly line: number; readonly problem: string }

/**
 * The largest request that is read. A longer one is unlikely to be an export request, and takes a
 * multiple of its size in memory.
 */
export const maxRequestBytes = 64 * 1024 * 1024
