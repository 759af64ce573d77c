import { open } from 'node:fs/promises'
import { hostname } from 'node:os'
import { setTimeout } from 'node:timers/promises'
import { patiently } from '../../database/patiently.ts'
import type { Scope } from '../../database/scope.ts'
import { emptyIngestReport, type IngestOptions, type IngestReport } from '../ingest.ts'
import { recordsOf } from '../journal/recordsOf.ts'
import { Load, type LoadOptions } from '../load.ts'
import { datasets } from '../rollups/windows/locatorTally.ts'
import { DamagedError } from '../sources/decompressed.ts'
import type { OtlpRequest, SourceObject } from '../sources/otlpRequest.ts'
import type { RequestFormat } from '../sources/requestFormat.ts'
import type { TextLogOptions } from '../sources/text/readTextLogs.ts'
import { absentNames } from './files/absentNames.ts'
import { bytesOf, type FileBytes } from './files/fileBytes.ts'
import { markBytes, tailOf } from './files/fileMark.ts'
import { findFiles, type FoundFile } from './files/findFiles.ts'
import { beginning, FollowedFile, originOf } from './files/followedFile.ts'
import type { FollowEvent, FollowEventKind } from './followEvents.ts'
import type { FollowLag, FollowProgress, FollowReport } from './followReport.ts'
import { LostFilesError, Positions, type Claim } from './positions/positions.ts'
import type { Candidate } from './positions/matchFiles.ts'
import { GrowingOtlp } from './readers/growingOtlp.ts'
import { UnreadableError, type GrowingReader, type ReaderState, type Sink } from './readers/growingReader.ts'
import { GrowingText } from './readers/growingText.ts'

/** How a follower reads and writes; all times are milliseconds. */
export interface FollowingOptions extends Omit<LoadOptions, 'signal'> {
  node: string
  times: { poll: number; write: number; quiet: number }
  text?: TextLogOptions | undefined
  format?: RequestFormat | undefined
  signal?: AbortSignal | undefined
  onMalformed?: IngestOptions['onMalformed']
  onRefused?: IngestOptions['onRefused']
  onRecognised?: IngestOptions['onRecognised']
  onEvent?: ((event: FollowEvent) => void) | undefined
  onProgress?: ((progress: FollowProgress) => void) | undefined
}

/** How many records are written at a time. */
const mostRecords = 10_000
/** How many bytes of requests are kept until they are written. */
const mostBytes = 8 * 1024 * 1024
/** How long records wait for more. */
const longestWait = 10_000
/** How often a follower says that it is there. */
const beatEvery = 5_000
/** More files are not open at a time; those that have not changed for longest are closed. */
const mostOpen = 500
/** How often it is noted that files are still there. */
const seeEvery = 3_600_000
/** How long the last transactions are tried again after the signal. */
const lastPatience = 5_000
/** How often it is said that the database cannot be reached. */
const tellEvery = 60_000

/** A run of `followFiles`. */
export class Following {
  readonly #names: readonly string[]
  readonly #options: FollowingOptions
  readonly #report: IngestReport = emptyIngestReport()
  readonly #load: Load
  readonly #positions: Positions
  /** The open files by device and inode. */
  readonly #files = new Map<string, FollowedFile>()
  /** Files that were found and are left alone until they change, or for a while. */
  readonly #asleep = new Map<string, { size: number; changed: number; id: string | undefined; until: number }>()
  /** Files that were found: since when they have their size. */
  readonly #young = new Map<string, { size: number; since: number }>()
  /** What was said of a file last, so that it is said once. */
  readonly #told = new Map<string, string>()
  #requests: OtlpRequest[] = []
  #records = 0
  #unwritten = 0
  /** When the oldest of them was read. */
  #waitingSince: number | undefined
  #bytes = 0
  #truncated = 0
  #retries = 0
  #toldRetry = -Infinity
  #writtenAt = performance.now()
  /** At the beginning too: not every follower lives for an hour. */
  #seenAt = -Infinity

  constructor(scope: Scope, names: readonly string[], options: FollowingOptions) {
    this.#names = names
    this.#options = options
    const { signal: _, ...loading } = options
    this.#load = new Load(scope, loading, this.#report)
    this.#positions = new Positions(scope, { node: options.node, label: `${hostname()}, process ${process.pid}` })
  }

  async run(): Promise<FollowReport> {
    const { signal } = this.#options
    let beating: Promise<void> | undefined
    const beat = setInterval(() => {
      // The work that needs the connection says if it is lost.
      beating ??= this.#positions
        .beat()
        .catch(() => {})
        .finally(() => (beating = undefined))
    }, beatEvery)
    try {
      for (const { name, reason } of await absentNames(this.#names)) this.#tell('absent', name, reason)
      while (signal?.aborted !== true) await this.#round()
    } catch (error) {
      if (signal?.aborted !== true || error !== signal.reason) {
        await this.#leave(false).catch(() => {})
        throw error
      }
    } finally {
      clearInterval(beat)
      await beating
    }
    try {
      await this.#commit()
      await this.#patiently(() => this.#load.rollUp())
      await this.#load.settle()
    } finally {
      await this.#leave(true)
    }
    return this.#finished
  }

  async #leave(tells: boolean): Promise<void> {
    this.#final = this.#state()
    for (const file of this.#files.values()) await file.close()
    this.#files.clear()
    await this.#positions.leave().catch((error: unknown) => {
      if (tells) throw error
    })
  }

  #final: Pick<FollowReport, 'bytes' | 'files' | 'lag' | 'truncated' | 'retries'> | undefined

  get #finished(): FollowReport {
    return { ...this.#report, ...(this.#final ?? this.#state()) }
  }

  #state(): Pick<FollowReport, 'bytes' | 'files' | 'lag' | 'truncated' | 'retries'> {
    const files = [...this.#files.values()].map(({ path, position, size, unreadable }) => ({
      path,
      position,
      size,
      problem: unreadable ?? null,
    }))
    return { bytes: this.#bytes, files, lag: this.#lag(), truncated: this.#truncated, retries: this.#retries }
  }

  #lag(): FollowLag {
    const now = performance.now()
    const lag = { bytes: 0, seconds: 0 }
    for (const file of this.#files.values()) {
      lag.bytes += file.behind
      lag.seconds = Math.max(lag.seconds, file.behindFor(now) / 1000)
    }
    return lag
  }

  /** Looks at the files, reads what is new, and writes what is due. */
  async #round(): Promise<void> {
    const { signal, times, onProgress } = this.#options
    const begun = performance.now()
    await this.#look(begun)
    let isBusy = true
    while (isBusy && signal?.aborted !== true && performance.now() - begun < Math.max(times.poll, 1000)) isBusy = await this.#readAll()
    const now = performance.now()
    if (this.#waitingSince !== undefined && now - this.#waitingSince >= Math.min(longestWait, times.write)) await this.#commit()
    if (now - this.#writtenAt >= times.write) await this.#write()
    if (now - this.#seenAt >= seeEvery) await this.#see(now)
    await this.#closeDone(now)
    onProgress?.({ bytes: this.#bytes, files: this.#files.size + this.#asleep.size, lag: this.#lag(), report: this.#report })
    if (!isBusy) await setTimeout(times.poll, undefined, { signal }).catch(() => {})
  }

  /** Which files there are, and how long they are. */
  async #look(now: number): Promise<void> {
    const found = await findFiles(this.#names)
    for (const file of this.#files.values()) {
      const at = found.get(file.inode)
      file.isNamed = at !== undefined
      if (at !== undefined) {
        // Rotated again and again, once is enough to know.
        if (at.path !== file.path && !file.wasRenamed) this.#tell('renamed', file.path, `is ${at.path} now`)
        file.wasRenamed ||= at.path !== file.path
        file.path = at.path
        file.changed = at.changed
      }
      try {
        if (!(await file.look(now))) await this.#truncate(file)
      } catch (error) {
        this.#tell('unreadable', file.path, describe(error))
        await this.#commit()
        await this.#drop(file)
      }
    }
    for (const inode of [...this.#asleep.keys(), ...this.#young.keys(), ...this.#told.keys()]) {
      if (found.has(inode) || this.#files.has(inode)) continue
      this.#asleep.delete(inode)
      this.#young.delete(inode)
      this.#told.delete(inode)
    }
    const fresh = [...found.values()].filter((file) => !this.#files.has(file.inode) && !this.#sleeps(file, now))
    if (fresh.length > 0) await this.#begin(fresh, now)
  }

  #sleeps({ inode, size, changed }: FoundFile, now: number): boolean {
    if (size === 0) return true
    const asleep = this.#asleep.get(inode)
    if (asleep === undefined) return false
    if (now < asleep.until && asleep.size === size && asleep.changed === changed) return true
    this.#asleep.delete(inode)
    return false
  }

  /** Begins or continues files that were found. */
  async #begin(found: readonly FoundFile[], now: number): Promise<void> {
    const candidates: (Candidate & { found: FoundFile })[] = []
    const opened = new Map<string, Awaited<ReturnType<typeof open>>>()
    for (const file of found) {
      const candidate = await this.#candidate(file, opened, now)
      if (candidate !== undefined) candidates.push({ ...candidate, found: file })
    }
    if (candidates.length === 0) return
    const kept = new Set<FileBytes>()
    try {
      const present = new Map<string, { bytes: FileBytes; size: number } | undefined>()
      for (const file of this.#files.values()) present.set(file.id, file)
      for (const { id } of this.#asleep.values()) if (id !== undefined) present.set(id, undefined)
      const claims = await this.#patiently(() => this.#positions.claim(candidates, present))
      for (const [index, claim] of claims.entries()) {
        const candidate = candidates[index]!
        if (await this.#open(claim, candidate, opened.get(candidate.inode)!, now)) kept.add(candidate.bytes)
      }
    } finally {
      for (const { bytes } of candidates) if (!kept.has(bytes)) await bytes.close()
    }
  }

  /** A file whose beginning can be read; undefined if it cannot, or not yet. */
  async #candidate(
    { path, inode, size }: FoundFile,
    opened: Map<string, Awaited<ReturnType<typeof open>>>,
    now: number,
  ): Promise<Candidate | undefined> {
    let bytes: FileBytes | undefined
    try {
      const handle = await open(path, 'r')
      opened.set(inode, handle)
      bytes = await bytesOf(handle)
      const young = this.#young.get(inode)
      if (young?.size !== size) this.#young.set(inode, { size, since: now })
      // A compressed file is looked at when nobody writes it any more.
      const isReady = !bytes.isPacked || now - this.#young.get(inode)!.since >= this.#options.times.quiet
      const head = isReady ? await bytes.read(0, markBytes) : new Uint8Array()
      if (head.length > 0) return { path, inode, size, bytes, head }
    } catch (error) {
      this.#say(inode, 'unreadable', path, error instanceof DamagedError ? error.message : describe(error))
      const at = this.#young.get(inode)
      if (at !== undefined && error instanceof DamagedError) this.#young.set(inode, { ...at, since: now })
    }
    await (bytes ?? opened.get(inode))?.close()
    return undefined
  }

  /** Whether the file is followed now. */
  async #open(
    claim: Claim,
    { path, inode, bytes, found }: Candidate & { found: FoundFile },
    handle: Awaited<ReturnType<typeof open>>,
    now: number,
  ): Promise<boolean> {
    const { size, changed } = found
    if (claim.kind === 'copy' || claim.kind === 'taken') {
      this.#asleep.set(inode, { size, changed, id: undefined, until: now + 5 * this.#options.times.poll })
      if (claim.kind === 'taken')
        this.#say(inode, 'waiting', path, `is followed by another process (${claim.file.follower}): waiting for it`)
      return false
    }
    const { id, revision, headBytes, head } = claim.file
    // Read in another way before, its records are others, and none of these was read.
    const wasOther = claim.file.state !== null && (claim.file.state.kind === 'text') !== (this.#options.text !== undefined)
    const checkpoint = wasOther ? beginning : claim.file
    const { position, tail, state, packed } = checkpoint
    if (packed !== null && packed === size) {
      this.#asleep.set(inode, { size, changed, id, until: Infinity })
      return false
    }
    let reader: GrowingReader
    try {
      reader = await this.#reader(originOf(path), state, bytes)
    } catch (error) {
      if (!(error instanceof UnreadableError)) throw error
      this.#say(inode, 'unreadable', path, error.message)
      this.#asleep.set(inode, { size, changed, id, until: Infinity })
      return false
    }
    const before = Math.min(position, markBytes)
    const file = new FollowedFile({
      id,
      changed,
      revision,
      inode,
      path,
      handle,
      bytes,
      reader,
      head: { bytes: headBytes, mark: head },
      checkpoint: { position, tail, state, packed: null },
      tail: tailOf(await bytes.read(position - before, before)),
      now,
    })
    await file.look(now)
    this.#files.set(inode, file)
    if (claim.kind === 'new') this.#say(inode, 'begun', path, 'is followed from its beginning')
    else if (wasOther)
      this.#say(
        inode,
        'begun',
        path,
        `is followed from its beginning: it was read as ${this.#options.text === undefined ? 'plain text' : 'OTLP'} before`,
      )
    else this.#say(inode, 'resumed', path, `is followed from byte ${position}`)
    return true
  }

  async #reader(origin: SourceObject, state: ReaderState | null, bytes: FileBytes): Promise<GrowingReader> {
    const { text, format } = this.#options
    if (text === undefined) return new GrowingOtlp(origin, format, state === null || state.kind === 'text' ? undefined : state)
    if (state?.kind !== 'text') return new GrowingText(text, origin)
    const { from, to } = state.sample
    return new GrowingText(text, origin, { state, sample: await bytes.read(from, to - from) })
  }

  /** Reads a piece of each file; false if there is nothing more in any. */
  async #readAll(): Promise<boolean> {
    let isBusy = false
    for (const file of this.#files.values()) {
      if (this.#options.signal?.aborted === true) return false
      const before = file.position
      const wasUnreadable = file.unreadable
      const timing = { now: performance.now(), quiet: this.#options.times.quiet }
      const outcome = await file.read(this.#sinkOf(file), timing)
      if (outcome === 'truncated') {
        await this.#truncate(file)
        isBusy = true
        continue
      }
      const read = file.position - before
      this.#bytes += read
      this.#unwritten += read
      if (file.isMoved || this.#requests.length > 0) this.#waitingSince ??= timing.now
      if (file.unreadable !== undefined && wasUnreadable === undefined) this.#say(file.inode, 'unreadable', file.path, file.unreadable)
      if (outcome === 'read') isBusy = true
      if (this.#records < mostRecords && this.#unwritten < mostBytes) continue
      await this.#commit()
      if (performance.now() - this.#writtenAt >= this.#options.times.write || (await this.#patiently(() => this.#load.isFull())))
        await this.#write()
    }
    return isBusy
  }

  #sinkOf(file: FollowedFile): Sink {
    const { onMalformed, onRefused, onRecognised } = this.#options
    return {
      request: (request) => {
        this.#requests.push(request)
        this.#records += 1 + datasets.reduce((sum, dataset) => sum + recordsOf(request.payload, dataset), 0)
      },
      problem: (line, reason) => {
        this.#report.malformed += 1
        onMalformed?.({ file: file.path, line, reason })
      },
      refused: (line, refused) => onRefused?.({ file: file.path, line, ...refused }),
      recognised: (recognised) => onRecognised?.({ file: file.path, ...recognised }),
    }
  }

  /** Writes what was read, and the positions up to which it was. */
  async #commit(): Promise<void> {
    const moved = [...this.#files.values()].filter((file) => file.isMoved)
    if (moved.length === 0 && this.#requests.length === 0) return
    for (const file of moved) {
      file.tell(this.#sinkOf(file))
      await file.markHead()
    }
    const checkpoints = moved.map((file) => ({ file, checkpoint: file.checkpoint, revision: String(BigInt(file.revision) + 1n) }))
    const forget = () => {
      this.#requests = []
      this.#records = 0
      this.#unwritten = 0
      this.#waitingSince = undefined
    }
    try {
      await this.#patiently(() => this.#load.append(this.#requests, (scope) => this.#positions.write(scope, moved)))
      forget()
    } catch (error) {
      if (!(error instanceof LostFilesError)) throw error
      forget()
      for (const file of this.#files.values()) {
        if (!file.isMoved && file.position === file.checkpoint.position) continue
        if (error.ids.includes(file.id)) this.#tell('lost', file.path, 'was taken over by another process, which this one seemed dead to')
        await this.#drop(file)
      }
      return
    }
    for (const { file, checkpoint, revision } of checkpoints) file.written(checkpoint, revision)
  }

  /** Writes the rows of windows. */
  async #write(): Promise<void> {
    await this.#commit()
    await this.#patiently(() => this.#load.rollUp())
    this.#writtenAt = performance.now()
  }

  async #see(now: number): Promise<void> {
    this.#seenAt = now
    const ids = [...this.#files.values(), ...this.#asleep.values()].flatMap(({ id }) => id ?? [])
    await this.#patiently(() => this.#positions.see(ids))
  }

  /** The bytes of a file are not those that were read: it is another one now. */
  async #truncate(file: FollowedFile): Promise<void> {
    this.#truncated += 1
    this.#tell('truncated', file.path, `has other bytes than those that were read (up to byte ${file.position}): it begins again`)
    // What was read of it is good.
    if (file.isMoved) await this.#commit()
    await this.#drop(file)
    await this.#patiently(() => this.#positions.release([file.id]))
  }

  /** Closes files that have ended, and some of too many. */
  async #closeDone(now: number): Promise<void> {
    const { quiet } = this.#options.times
    const released: string[] = []
    for (const file of this.#files.values()) {
      if (file.isMoved || !file.isDone(now, quiet)) continue
      await this.#drop(file)
      if (file.isNamed) this.#sleep(file)
      else {
        this.#tell('gone', file.path, 'is renamed or deleted, and read to its end')
        released.push(file.id)
      }
    }
    if (released.length > 0) await this.#patiently(() => this.#positions.release(released))
    const tooMany = this.#files.size - mostOpen
    if (tooMany <= 0) return
    const idle = [...this.#files.values()].filter((file) => file.isNamed && file.isIdle).sort((a, b) => a.changed - b.changed)
    for (const file of idle.slice(0, tooMany)) {
      await this.#drop(file)
      this.#sleep(file)
    }
  }

  /** Leaves a file alone until it changes. */
  #sleep({ inode, size, changed, id }: FollowedFile): void {
    this.#asleep.set(inode, { size, changed, id, until: Infinity })
  }

  /** Closes a file. What was read of it and not written is read again when it is found again. */
  async #drop(file: FollowedFile): Promise<void> {
    this.#files.delete(file.inode)
    await file.close().catch(() => {})
  }

  async #patiently<T>(work: () => Promise<T>): Promise<T> {
    const { signal } = this.#options
    const patience = signal?.aborted === true ? { retryFor: lastPatience } : { retryFor: Infinity, signal }
    let failedAt: number | undefined
    const done = await patiently(work, {
      ...patience,
      onRetry: (error) => {
        this.#retries += 1
        const now = performance.now()
        failedAt ??= now
        if (now - this.#toldRetry < tellEvery) return
        this.#toldRetry = now
        this.#tell('retrying', null, `the database failed (${describe(error)}): trying again`)
      },
    })
    if (failedAt !== undefined && failedAt <= this.#toldRetry) {
      this.#tell('recovered', null, `the database answers again, ${Math.ceil((performance.now() - failedAt) / 1000)} s after it failed`)
    }
    return done
  }

  /** Tells of a file what is not what was told of it last. */
  #say(inode: string, kind: FollowEventKind, path: string, message: string): void {
    const all = `${kind} ${path} ${message}`
    if (this.#told.get(inode) === all) return
    this.#told.set(inode, all)
    this.#tell(kind, path, message)
  }

  #tell(kind: FollowEventKind, file: string | null, message: string): void {
    this.#options.onEvent?.({ kind, file, message })
  }
}

const describe = (error: unknown): string => {
  // A refused connection is one error for each address that was tried, and a message of none.
  if (error instanceof AggregateError) return [...new Set(error.errors.map(describe))].join('; ')
  return error instanceof Error ? error.message : String(error)
}
