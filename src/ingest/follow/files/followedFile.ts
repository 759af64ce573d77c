import type { FileHandle } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { DamagedError } from '../../sources/decompressed.ts'
import type { SourceObject } from '../../sources/otlpRequest.ts'
import type { GrowingReader, ReaderState, Sink } from '../readers/growingReader.ts'
import { UnreadableError } from '../readers/growingReader.ts'
import type { FileBytes } from './fileBytes.ts'
import { inodeOf } from './findFiles.ts'
import { markBytes, markOf, tailOf } from './fileMark.ts'

/** How far a file has been read, so that reading can continue there. */
export interface Checkpoint {
  /** The offset of the next byte; of a compressed file inside it. */
  readonly position: number
  /** The mark of the bytes before it; null at the beginning. */
  readonly tail: string | null
  /** What the reader needs to continue; null before it has read anything. */
  readonly state: ReaderState | null
  /** The size of a compressed file that has been read to its end; else null. */
  readonly packed: number | null
}

export const beginning: Checkpoint = { position: 0, tail: null, state: null, packed: null }

/** Makes the reader of a file, also in its middle. */
export type MakeReader = (origin: SourceObject, state: ReaderState | null, bytes: FileBytes) => Promise<GrowingReader>

/** What came of an attempt to read. */
export type Outcome =
  /** Something was read; there may be more. */
  | 'read'
  /** There is nothing more, for now. */
  | 'nothing'
  /** The bytes before the position are not those that were read: the file was truncated. */
  | 'truncated'

/** Milliseconds on a clock that is never set. */
export interface Timing {
  now: number
  /**
   * After so long without a change a record is taken as whole, and a file that does not grow is
   * read.
   */
  quiet: number
}

/** How much is read at once. */
const pieceBytes = 256 * 1024

/** An open file that is followed. */
export class FollowedFile {
  readonly id: string
  readonly inode: string
  readonly handle: FileHandle
  readonly bytes: FileBytes
  readonly origin: SourceObject
  path: string
  /** Whether it had another name when it was found. */
  wasRenamed = false
  /** When it was changed last, by its file system, in milliseconds. */
  changed: number
  /** How often its position was written. */
  revision: string
  /** Its size now; of a compressed file, compressed. */
  size = 0
  /** Whether it still has one of the names that are followed. */
  isNamed = true
  /** Why it cannot be read; then it is passed over until it is another file. */
  unreadable: string | undefined
  readonly #reader: GrowingReader
  #head: { bytes: number; mark: string }
  #position: number
  #tail: Uint8Array
  #packed: number | null
  #safe: Checkpoint
  /** What of it is written. */
  #written: Checkpoint
  #changedAt: number
  readonly #openedAt: number
  #rested = false
  #isDamaged = false
  /** The last attempt that read nothing: the same again would read nothing either. */
  #vain = ''
  /** Since when it has bytes that are not read. */
  #behindSince: number | undefined

  constructor(given: {
    id: string
    revision: string
    inode: string
    path: string
    changed: number
    handle: FileHandle
    bytes: FileBytes
    reader: GrowingReader
    head: { bytes: number; mark: string }
    /** Where it continues, and the bytes before. */
    checkpoint: Checkpoint
    tail: Uint8Array
    now: number
  }) {
    this.id = given.id
    this.revision = given.revision
    this.inode = given.inode
    this.path = given.path
    this.changed = given.changed
    this.handle = given.handle
    this.bytes = given.bytes
    this.origin = originOf(given.path)
    this.#reader = given.reader
    this.#head = given.head
    this.#position = given.checkpoint.position
    this.#tail = given.tail
    this.#packed = given.checkpoint.packed
    this.#safe = given.checkpoint
    this.#written = given.checkpoint
    this.#changedAt = given.now
    this.#openedAt = given.now
  }

  /** The offset of the next byte to read. */
  get position(): number {
    return this.#position
  }

  /** What may be written as its position now. */
  get checkpoint(): Checkpoint {
    return this.#safe
  }

  get head(): { bytes: number; mark: string } {
    return this.#head
  }

  /** Whether its position has moved since it was written. */
  get isMoved(): boolean {
    return this.#safe !== this.#written
  }

  /** Its position was written. */
  written(checkpoint: Checkpoint, revision: string): void {
    this.#written = checkpoint
    this.revision = revision
  }

  /** How many bytes are not read. */
  get behind(): number {
    if (this.unreadable !== undefined) return 0
    if (this.bytes.isPacked) return this.#packed === this.size ? 0 : this.size
    return Math.max(0, this.size - this.#position)
  }

  /** For how long it has had bytes that are not read, in milliseconds. */
  behindFor(now: number): number {
    return this.#behindSince === undefined ? 0 : now - this.#behindSince
  }

  /**
   * Looks at its size.
   *
   * @returns false if it has become shorter than what was read.
   */
  async look(now: number): Promise<boolean> {
    const at = await this.handle.stat({ bigint: true })
    const size = Number(at.size)
    if (size !== this.size || inodeOf(at) !== this.inode) {
      this.#changedAt = now
      this.#rested = false
      this.#isDamaged = false
    }
    this.size = size
    this.#behindSince = this.behind === 0 ? undefined : (this.#behindSince ?? now)
    return this.bytes.isPacked || size >= this.#position
  }

  /** Whether nothing has come for so long. */
  isQuiet(now: number, quiet: number): boolean {
    return now - this.#changedAt >= quiet
  }

  /** Reads a piece of what is new. */
  async read(sink: Sink, { now, quiet }: Timing): Promise<Outcome> {
    if (this.unreadable !== undefined) return 'nothing'
    const isQuiet = this.isQuiet(now, quiet)
    const mayEnd = this.bytes.isPacked || (isQuiet && (!this.isNamed || this.#reader.isWhole))
    if (this.behind === 0 && !(mayEnd && !this.#rested)) return this.#rest(sink, isQuiet)
    if (this.bytes.isPacked && (!isQuiet || this.#isDamaged)) return 'nothing'
    const isSettled = now - this.#openedAt >= quiet
    const attempt = `${this.size} ${this.#position} ${mayEnd} ${isSettled}`
    if (attempt === this.#vain) return this.#rest(sink, isQuiet)
    try {
      const outcome = await this.#read(sink, mayEnd, isSettled)
      if (outcome === 'nothing') this.#vain = attempt
      return outcome
    } catch (error) {
      if (error instanceof UnreadableError) this.unreadable = error.message
      else if (error instanceof DamagedError) {
        this.#isDamaged = true
        sink.problem(0, error.message)
      } else throw error
      return 'nothing'
    }
  }

  async #read(sink: Sink, mayEnd: boolean, isSettled: boolean): Promise<Outcome> {
    for (let want = pieceBytes; ; want *= 2) {
      const all = await this.bytes.read(this.#position - this.#tail.length, this.#tail.length + want)
      // Compared in the same read: a file that is truncated and grows again is noticed at any size.
      if (!Buffer.from(this.#tail.buffer, this.#tail.byteOffset, this.#tail.length).equals(all.subarray(0, this.#tail.length)))
        return 'truncated'
      const fresh = all.subarray(this.#tail.length)
      const isLast = fresh.length < want
      const isEnd = isLast && mayEnd
      const { read, safe } = this.#reader.take(fresh, { from: this.#position, isEnd, isSettled }, sink)
      if (read === 0 && !isLast && fresh.length < this.#reader.most) continue
      const tailAt = (at: number) => tailOf(all.subarray(0, this.#tail.length + at))
      const before = this.#position
      if (isEnd && this.bytes.isPacked) this.#packed = this.size
      if (isEnd) this.#rested = true
      if (safe !== undefined && (safe.at > 0 || isEnd)) {
        const position = before + safe.at
        this.#safe = { position, tail: position === 0 ? null : markOf(tailAt(safe.at)), state: safe.state, packed: this.#packed }
      } else if (isEnd) this.#safe = { ...this.#safe, packed: this.#packed }
      const tail = tailAt(read)
      this.#position = before + read
      this.#tail = tail
      if (this.behind === 0) this.#behindSince = undefined
      return read > 0 && !isLast ? 'read' : 'nothing'
    }
  }

  /** What may go on is taken as whole, once nothing has come for long enough. */
  #rest(sink: Sink, isQuiet: boolean): Outcome {
    if (!isQuiet || this.#rested) return 'nothing'
    this.#rested = true
    const state = this.#reader.rest(sink)
    if (state !== undefined) this.#safe = { ...this.#safe, state }
    return 'nothing'
  }

  /** Tells of what was passed over: before its position is written, or nobody would. */
  tell(sink: Sink): void {
    this.#reader.tell(sink)
  }

  /** Marks more of its first bytes, if there were few before. */
  async markHead(): Promise<void> {
    if (this.bytes.isPacked || this.#head.bytes >= markBytes || this.size <= this.#head.bytes) return
    const head = await this.bytes.read(0, markBytes).catch(() => new Uint8Array())
    if (head.length <= this.#head.bytes || markOf(head.subarray(0, this.#head.bytes)) !== this.#head.mark) return
    this.#head = { bytes: head.length, mark: markOf(head) }
  }

  /**
   * Whether nothing more is expected: it is compressed, or has lost its name, and was read to its
   * end.
   */
  isDone(now: number, quiet: number): boolean {
    if (this.bytes.isPacked && this.#packed === this.size) return true
    return !this.isNamed && this.isQuiet(now, quiet) && (this.#rested || this.unreadable !== undefined)
  }

  /** Whether all of it is read and written, and nothing is open. */
  get isIdle(): boolean {
    return this.behind === 0 && !this.isMoved && this.#rested
  }

  close(): Promise<void> {
    return this.bytes.close()
  }
}

export const originOf = (path: string): SourceObject => ({ objectBucket: dirname(path), objectKey: basename(path) })
