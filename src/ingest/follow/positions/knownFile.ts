import type { ReaderState } from '../readers/growingReader.ts'

/** A file whose position is in the database. */
export interface KnownFile {
  readonly id: string
  readonly path: string
  readonly inode: string
  readonly headBytes: number
  readonly head: string
  readonly position: number
  readonly tail: string | null
  readonly revision: string
  /** Who follows it, if that process is alive and another one; null if nobody. */
  readonly follower: string | null
}

/** The whole of what is stored of a file that is followed now. */
export interface ClaimedFile extends KnownFile {
  readonly state: ReaderState | null
  readonly packed: number | null
}
