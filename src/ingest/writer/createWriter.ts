import { z } from 'zod'
import { patiently } from '../../database/patiently.ts'
import { durationText, milliseconds } from '../../database/range.ts'
import type { Scope } from '../../database/scope.ts'
import { InvalidInputError, VantageError } from '../../schema/errors.ts'
import { parseOptions, preview } from '../../schema/parse.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import { addReason, noRejections, noRows } from './rejections/rejections.ts'
import { writeRollups, type WrittenRollups } from './writeRollups.ts'

export interface WriterOptions {
  /** How many windows wait at most; `write` waits while there are more. Default: 2. */
  maxWindows?: number
  /**
   * How long a window is tried again, counted from its first attempt: a PostgreSQL interval.
   * Default: `'1 minute'`.
   */
  retryFor?: string
  /**
   * Also writes rows older than their table's retention: history to roll up before it is dropped.
   * Default: false.
   */
  acceptOld?: boolean
  signal?: AbortSignal
  /**
   * Called after each window is committed. An error that it throws ends the writer, and is thrown
   * as it is: the window is written, those after it are not.
   */
  onWritten?: (window: IngestWindow, written: WrittenRollups) => void
  /**
   * Called before a window is tried again, with the error that stopped it. If it throws, the window
   * is not tried again.
   */
  onRetry?: (window: IngestWindow, error: unknown) => void
}

/** What a writer has written so far. */
export interface WriterReport extends WrittenRollups {
  windows: number
  /** How often a window was tried again. */
  retries: number
}

/** Writes windows, one after the other. See {@link createWriter}. */
export interface Writer extends AsyncDisposable {
  /** Takes a window, as soon as few enough others wait. */
  write(window: IngestWindow): Promise<void>
  /** Waits until every window that was taken is committed. */
  flush(): Promise<WriterReport>
  /** The same, and takes no more windows. The connection stays open: it is the scope's. */
  close(): Promise<WriterReport>
}

const writerOptions = z.strictObject({
  maxWindows: z.int().min(1).default(2),
  retryFor: durationText.default('1 minute'),
  acceptOld: z.boolean().default(false),
  signal: z.instanceof(AbortSignal).optional(),
  onWritten: z.custom<WriterOptions['onWritten']>().optional(),
  onRetry: z.custom<WriterOptions['onRetry']>().optional(),
})

/**
 * A writer for a service that makes windows for weeks: `writeRollups`, with a queue before it and
 * retries behind it.
 *
 * | | |
 * |---|---|
 * | order | one window at a time, in the order of `write` |
 * | memory | at most `maxWindows` windows wait: `write` waits while there are more |
 * | a serialization failure, a deadlock, a lost or refused connection | the window is tried again, after a random wait of up to 100 ms that doubles up to 5 s, for `retryFor` |
 * | why that is safe | a window is one transaction, and written again it leaves the same rows, also if the commit had succeeded and only its answer was lost |
 * | another error, or one that lasts | the window is not written, not even in part. `write`, `flush` and `close` throw, and the windows after it are not written: begin again with that window |
 * | a row that cannot be stored | is left out, and counted in `rejected`; `rejections` says why |
 * | PgBouncer | transaction mode is enough: nothing is kept in the session |
 *
 * @example
 * await using writer = createWriter(scope)
 * for await (const window of rollUp(readOtlp('telemetry.jsonl.gz'))) await writer.write(window)
 * const { windows, retries, written, unchanged, rejected } = await writer.flush()
 *
 * // window by window, what `writeRollups` shows
 *
 * @throws InvalidInputError if an option is wrong, or the scope is a transaction's: a failed one
 * cannot be repeated from here. Its methods throw VantageError (`NOT_WRITTEN`), which names the
 * window and the reason, with the driver's error as its `cause`; the signal's reason if aborted;
 * what
 * `onWritten` or `onRetry` throws.
 */
export function createWriter(scope: Scope, options: WriterOptions = {}): Writer {
  const parsed = parseOptions(writerOptions, options)
  if (scope.db.isTransaction) {
    throw new InvalidInputError(
      'scope',
      "must not be a transaction's: a window that failed in it cannot be written again. Make it from the connection, or use writeRollups",
    )
  }
  return new QueuedWriter(scope, parsed)
}

class QueuedWriter implements Writer {
  readonly #scope: Scope
  readonly #options: z.infer<typeof writerOptions>
  /** The first is being written. */
  readonly #windows: IngestWindow[] = []
  /** Ends when the first has been written. */
  #writing: Promise<void> | undefined
  #failure: { error: unknown; told: boolean } | undefined
  #closed = false
  readonly #report: WriterReport = {
    windows: 0,
    retries: 0,
    resources: 0,
    locators: 0,
    written: noRows(),
    unchanged: noRows(),
    tooOld: noRows(),
    rejected: noRejections(),
    rejections: [],
  }

  constructor(scope: Scope, options: z.infer<typeof writerOptions>) {
    this.#scope = scope
    this.#options = options
  }

  async write(window: IngestWindow): Promise<void> {
    this.#refuseIfOver()
    while (this.#windows.length > this.#options.maxWindows) {
      await this.#writing
      this.#refuseIfOver()
    }
    this.#windows.push(window)
    if (this.#windows.length === 1) this.#writeFirst()
  }

  async flush(): Promise<WriterReport> {
    while (this.#windows.length > 0) await this.#writing
    this.#throwFailure()
    return structuredClone(this.#report)
  }

  close(): Promise<WriterReport> {
    this.#closed = true
    return this.flush()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closed = true
    while (this.#windows.length > 0) await this.#writing
    if (this.#failure?.told === false) this.#throwFailure()
  }

  #refuseIfOver(): void {
    this.#throwFailure()
    if (this.#closed) throw new VantageError('the writer is closed: it takes no more windows', { code: 'CLOSED' })
  }

  #throwFailure(): void {
    if (this.#failure === undefined) return
    this.#failure.told = true
    throw this.#failure.error
  }

  #writeFirst(): void {
    this.#writing = this.#writeOne(this.#windows[0]!).then(
      () => {
        this.#windows.shift()
        if (this.#windows.length > 0) this.#writeFirst()
      },
      (error: unknown) => {
        this.#failure = { error, told: false }
        this.#windows.length = 0
      },
    )
  }

  async #writeOne(window: IngestWindow): Promise<void> {
    const written = await this.#writePatiently(window)
    this.#add(written)
    this.#options.onWritten?.(window, written)
  }

  #writePatiently(window: IngestWindow): Promise<WrittenRollups> {
    const { acceptOld, signal, retryFor, onRetry } = this.#options
    return patiently(
      () => writeRollups(this.#scope, window, { acceptOld, signal }),
      {
        retryFor: milliseconds(retryFor),
        signal,
        onRetry: (error) => {
          onRetry?.(window, error)
          this.#report.retries += 1
        },
      },
      (error, attempts) => notWritten(window, error, attempts),
    )
  }

  #add({ resources, locators, written, unchanged, tooOld, rejected, rejections }: WrittenRollups): void {
    const report = this.#report
    report.windows += 1
    addTo(report, { resources, locators })
    addTo(report.written, written)
    addTo(report.unchanged, unchanged)
    addTo(report.tooOld, tooOld)
    addTo(report.rejected, rejected)
    for (const { example, ...rejection } of rejections) addReason(report.rejections, rejection, () => example)
  }
}

function addTo<Name extends string>(sums: NoInfer<Record<Name, number>>, counts: Record<Name, number>): void {
  for (const [name, count] of Object.entries(counts) as [Name, number][]) sums[name] += count
}

function notWritten(given: IngestWindow, cause: unknown, attempts: number): VantageError {
  // Out of JSON its times are text.
  const { from, to } = (given ?? {}) as Partial<IngestWindow>
  const window = `the window from ${described(from)} to ${described(to)}`
  const reason = cause instanceof Error ? cause.message : String(cause)
  const tried = attempts === 1 ? '' : ` in ${attempts} attempts`
  return new VantageError(`${window} was not written${tried}, not even in part: ${reason}`, { code: 'NOT_WRITTEN', cause })
}

const described = (time: unknown): string => (time instanceof Date && !Number.isNaN(time.getTime()) ? time.toISOString() : preview(time))
