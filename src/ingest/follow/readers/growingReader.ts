import type { OtlpRequest } from '../../sources/otlpRequest.ts'
import type { RefusedRecords } from '../../sources/recordByRecord.ts'
import type { RecognisedText } from '../../sources/text/readTextLogs.ts'
import type { GrowingTextState } from './growingText.ts'

/** Takes what a reader finds. */
export interface Sink {
  request(request: OtlpRequest): void
  problem(line: number, reason: string): void
  refused(line: number, refused: RefusedRecords): void
  recognised(recognised: Omit<RecognisedText, 'file'>): void
}

/** Where the bytes given to a reader are. */
export interface Place {
  /** The offset of the first of them. */
  readonly from: number
  /** Whether nothing comes after them. */
  readonly isEnd: boolean
  /**
   * Whether there was time enough for the first bytes to come, so that the format can be chosen.
   */
  readonly isSettled: boolean
}

/** What a reader has done with bytes. */
export interface Taken {
  /** How many it has read; the next call begins behind them. */
  readonly read: number
  /** Where another reader could continue, with which state; undefined if nowhere in these bytes. */
  readonly safe: { readonly at: number; readonly state: ReaderState } | undefined
}

export const nothingTaken: Taken = { read: 0, safe: undefined }

/** What a reader needs to continue a file after a restart, as JSON. */
export type ReaderState =
  | { readonly kind: 'json'; readonly line: number }
  | { readonly kind: 'delimited'; readonly line: number; readonly isLost: boolean }
  | { readonly kind: 'message' }
  | GrowingTextState

/** Reads whole lines or messages of a file that grows. */
export interface GrowingReader {
  /** Whether it reads all of the file at once, when it has its end. */
  readonly isWhole: boolean
  /** The most bytes that it may need to see at once. */
  readonly most: number
  /** Reads what is whole at the beginning of bytes. */
  take(bytes: Uint8Array, place: Place, sink: Sink): Taken
  /** Tells of problems that were found and not told, in case more of the same come. */
  tell(sink: Sink): void
  /**
   * Nothing has come for a while: what may go on is taken as it is.
   *
   * @returns the state after it; undefined if nothing was open.
   */
  rest(sink: Sink): ReaderState | undefined
}

/** The file cannot be read at all; its format is not one that can grow. */
export class UnreadableError extends Error {}
