import { SingleBar } from 'cli-progress'

const perMegabyte = 1_000_000

/**
 * How far a load is, for a person who watches it: bytes of all files, their rate, rejects, windows.
 */
export class Progress {
  readonly #bar: SingleBar | undefined
  readonly #began = performance.now()
  #bytes = 0

  /**
   * @param size of all that is to be read, in bytes; undefined if it is unknown, as for a pipe.
   */
  constructor(interactive: boolean, size: number | undefined) {
    if (!interactive) return
    this.#bar = new SingleBar({
      format: `${size === undefined ? '' : '{bar} {percentage}% | '}{megabytes} MB, {rate} MB/s | {rejects} rejects | {windows} windows`,
      stream: process.stderr,
      clearOnComplete: true,
    })
    this.#bar.start(size ?? 1, 0, { megabytes: '0.0', rate: '0.0', rejects: 0, windows: 0 })
  }

  read(bytes: number, rejects: number): void {
    this.#bytes += bytes
    this.#bar?.update(this.#bytes, { megabytes: megabytes(this.#bytes), rate: this.#rate(), rejects })
  }

  windows(windows: number): void {
    this.#bar?.update(this.#bytes, { windows })
  }

  /** @returns what has been read, and how fast. */
  stop(): string {
    this.#bar?.stop()
    const seconds = (performance.now() - this.#began) / 1000
    return `${megabytes(this.#bytes)} MB in ${seconds.toFixed(1)} s, ${this.#rate()} MB/s`
  }

  #rate(): string {
    const seconds = (performance.now() - this.#began) / 1000
    return seconds === 0 ? '0.0' : megabytes(this.#bytes / seconds)
  }
}

const megabytes = (bytes: number) => (bytes / perMegabyte).toFixed(1)
