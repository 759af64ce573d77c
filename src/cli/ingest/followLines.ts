import type { FollowEvent, FollowLag, FollowProgress } from '../../ingest/index.ts'
import { Progress } from './progress.ts'

/** How often a line says how far it is, where nobody watches. */
const sayEvery = 60_000

/** What a follower says while it runs: what happens, and how far it is. */
export class FollowLines {
  readonly #err: (text: string) => void
  readonly #progress: Progress
  readonly #interactive: boolean
  #bytes = 0
  #said = { at: performance.now(), bytes: 0 }

  constructor(err: (text: string) => void, interactive: boolean) {
    this.#err = err
    this.#interactive = interactive
    this.#progress = new Progress(interactive, undefined)
  }

  event({ file, message }: FollowEvent): void {
    this.#err(`${file === null ? '' : `${file}: `}${message}\n`)
  }

  windows(windows: number): void {
    this.#progress.windows(windows)
  }

  progress(now: FollowProgress, rejects: number): void {
    this.#progress.read(now.bytes - this.#bytes, rejects)
    this.#bytes = now.bytes
    if (this.#interactive || performance.now() - this.#said.at < sayEvery) return
    if (now.bytes > this.#said.bytes || now.lag.bytes > 0) {
      const { windows, logRecords, spans, metricPoints } = now.report
      const records = (logRecords + spans + metricPoints).toLocaleString('en')
      this.#err(
        `${now.files} files, ${megabytes(now.bytes)} MB read, ${records} records, ${windows} windows written; ${describeLag(now.lag)}\n`,
      )
    }
    this.#said = { at: performance.now(), bytes: now.bytes }
  }

  /** @returns what has been read, and how fast. */
  stop(): string {
    return this.#progress.stop()
  }
}

/** How far behind a follower is. */
export const describeLag = ({ bytes, seconds }: FollowLag): string =>
  bytes === 0 ? 'nothing is left to read' : `${megabytes(bytes)} MB are left to read, the oldest for ${Math.round(seconds)} s`

const megabytes = (bytes: number) => (bytes / 1_000_000).toFixed(1)
