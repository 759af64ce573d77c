import type { IngestReport } from '../ingest.ts'

/** How far behind the reading is. */
export interface FollowLag {
  /** Bytes that are there and not read. */
  bytes: number
  /** For how long the file that has waited the longest has had such bytes, in seconds. */
  seconds: number
}

/** One of the files that are followed now. */
export interface FollowedFileReport {
  path: string
  /** The offset of the next byte; of a compressed file inside it. */
  position: number
  /** Of a compressed file, compressed. */
  size: number
  /** Why it cannot be read; null if it can. */
  problem: string | null
}

/** What a follower has done since it began, and where it is. */
export interface FollowReport extends IngestReport {
  /** Bytes that were read, uncompressed. */
  bytes: number
  /** The files that are followed now. */
  files: FollowedFileReport[]
  lag: FollowLag
  /** Files that became shorter or were written again from their beginning. */
  truncated: number
  /** How often work on the database was tried again. */
  retries: number
}

/** What a follower tells about itself while it runs. */
export interface FollowProgress {
  /** Bytes that were read since it began, uncompressed. */
  bytes: number
  /** How many files are followed. */
  files: number
  lag: FollowLag
  report: IngestReport
}
