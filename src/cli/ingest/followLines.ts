import type { FollowedFileReport, FollowEvent, FollowLag, FollowProgress, RecognisedText } from '../../ingest/index.ts'
import { Progress } from './progress.ts'

/** How often a line says how far it is, where nobody watches. */
const sayEvery = 60_000

/** What a follower says while it runs: what happens, and how far it is. */
export class FollowLines {
  readonly #err: (text: string) => void
  readonly #progress: Progress
  readonly #interactive: boolean
  readonly #recognised = new Set<string>()
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

  /** How a file is read, unless one before it was read so. */
  recognised(text: string, { format, header, container }: RecognisedText): void {
    const how = JSON.stringify([format, header, container])
    if (this.#recognised.has(how)) return
    this.#recognised.add(how)
    this.#err(text)
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
      this.#err(
        `${counted(now.files, 'file')}, ${size(now.bytes)} read, ${counted(logRecords + spans + metricPoints, 'record')}, ${counted(windows, 'window')} written; ${describeLag(now.lag)}\n`,
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
  bytes === 0 ? 'nothing is left to read' : `${size(bytes)} left to read, the oldest for ${Math.round(seconds)} s`

/** How many files there are, and how many of them cannot be read. */
export function describeFiles(files: readonly FollowedFileReport[]): string {
  const unreadable = files.filter(({ problem }) => problem !== null).length
  return `${counted(files.length, 'file')}${unreadable === 0 ? '' : `, ${unreadable} of them cannot be read`}`
}

const counted = (count: number, what: string): string => `${count.toLocaleString('en')} ${what}${count === 1 ? '' : 's'}`

const size = (bytes: number): string =>
  bytes < 1000 ? counted(bytes, 'byte') : bytes < 1_000_000 ? `${(bytes / 1000).toFixed(1)} kB` : `${(bytes / 1_000_000).toFixed(1)} MB`
