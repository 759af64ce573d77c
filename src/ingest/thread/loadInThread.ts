import { availableParallelism } from 'node:os'
import { Worker } from 'node:worker_threads'
import { CompiledQuery, type ControlledTransaction, type QueryResult } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { IngestReport } from '../ingestReport.ts'
import type { LoadOptions } from '../load.ts'
import type { SourceObject } from '../sources/otlpRequest.ts'
import type { ReadingOptions } from '../sources/requestsOf.ts'
import { alone, Calls, Handed } from './calls.ts'
import { ServiceFailures } from './failures.ts'
import type { ServiceSide, ThreadData, ThreadSide, TransactionNumber } from './sides.ts'
import type { SourceBytes } from './sourceBytes.ts'

/**
 * The most memory for new objects, in MB. V8 would let it grow to 128 MB in a process that tells it
 * nothing, and a thread of its own is the only place where a library may tell it otherwise.
 */
const youngMegabytes = 12
/**
 * The most for all others. V8 collects them the sooner the less it may have, and the largest windows
 * need most of this.
 */
const oldMegabytes = 2047

/** Each takes some 60 MB, and has a core to itself at best. */
const mostThreads = availableParallelism()
let threads = 0

interface Source {
  source: SourceBytes
  origin?: SourceObject | undefined
}

/**
 * Loads sources in a thread of its own, where the garbage of a load is bounded and keeps nothing
 * else waiting. The caller's thread reads the sources and executes the statements.
 *
 * @returns null if nothing was read, since no thread can be started here, or enough have been.
 */
export async function loadInThread(
  scope: Scope,
  sources: readonly Source[],
  options: LoadOptions & ReadingOptions,
): Promise<IngestReport | null> {
  if (threads >= mostThreads) return null
  const worker = started(scope, sources, options)
  if (worker === undefined) return null
  threads += 1
  try {
    const thread = new LoadThread(worker, scope, sources, options)
    try {
      return (await thread.isReady) ? await thread.load() : null
    } finally {
      await thread.close()
    }
  } finally {
    threads -= 1
  }
}

class LoadThread {
  readonly isReady: Promise<boolean>
  readonly #scope: Scope
  readonly #signal: AbortSignal | undefined
  readonly #calls: Calls<ThreadSide>
  readonly #transactions = new Map<TransactionNumber, ControlledTransaction<{}>>()
  readonly #worker: Worker
  #last = 0

  constructor(worker: Worker, scope: Scope, sources: readonly Source[], options: LoadOptions & ReadingOptions) {
    const { signal, onMalformed, onRefused, onRecognised, onWindow } = options
    this.#scope = scope
    this.#signal = signal
    const ready = Promise.withResolvers<boolean>()
    this.isReady = ready.promise
    const told =
      <Event extends unknown[]>(tell: ((...event: Event) => void) | undefined) =>
      (...event: Event): void => {
        try {
          tell?.(...event)
        } catch (error) {
          this.#calls.fail(error)
        }
      }
    const service: ServiceSide = {
      ready: () => ready.resolve(true),
      chunk: async (source) => {
        const { value } = await sources[source]!.source.next()
        if (!(value instanceof Uint8Array)) return value
        const bytes = alone(value)
        return new Handed(bytes, [bytes])
      },
      endSource: async (source) => void (await sources[source]!.source.return()),
      malformed: told(onMalformed),
      refused: told(onRefused),
      recognised: told(onRecognised),
      window: told(onWindow),
      begin: () => this.#begin(),
      query: (transaction, text, parameters) => this.#query(transaction, text, parameters),
      end: (transaction, how) => this.#end(transaction, how),
    }
    this.#worker = worker
    this.#calls = new Calls<ThreadSide>(worker, { ...service }, new ServiceFailures())
    const stop = (error: unknown) => {
      ready.resolve(false)
      this.#calls.fail(error)
    }
    worker.on('error', stop)
    worker.on('exit', () => stop(new Error('the thread of ingest ended')))
    signal?.addEventListener('abort', this.#abort)
  }

  async load(): Promise<IngestReport> {
    this.#signal?.throwIfAborted()
    const report = await this.#calls.call('load')
    // Without a prototype, as they were: a dimension may be called __proto__.
    return { ...report, values: withoutPrototype(report.values), exploded: withoutPrototype(report.exploded) }
  }

  /** Ends it, and takes back what open transactions have written. */
  async close(): Promise<void> {
    this.#signal?.removeEventListener('abort', this.#abort)
    this.#calls.fail(new Error('the thread of ingest was closed'))
    await this.#worker.terminate()
    await Promise.allSettled([...this.#transactions.values()].map((transaction) => transaction.rollback().execute()))
  }

  readonly #abort = (): void => this.#calls.fail(this.#signal!.reason)

  async #begin(): Promise<TransactionNumber> {
    const number = ++this.#last
    this.#transactions.set(number, await this.#scope.db.startTransaction().execute())
    return number
  }

  async #query(number: TransactionNumber, text: string, parameters: readonly unknown[]): Promise<Handed<QueryResult<unknown>>> {
    const db = number === 0 ? this.#scope.db : this.#transactions.get(number)!
    const { rows, numAffectedRows } = await db.executeQuery(CompiledQuery.raw(text, [...parameters]))
    const bytes: Uint8Array[] = []
    const handed = (value: unknown) => {
      if (!(value instanceof Uint8Array)) return value
      const own = alone(value)
      bytes.push(own)
      return own
    }
    const copied = rows.map((row) => Object.fromEntries(Object.entries(row as object).map(([name, value]) => [name, handed(value)])))
    return new Handed({ rows: copied, ...(numAffectedRows !== undefined && { numAffectedRows }) }, bytes)
  }

  async #end(number: TransactionNumber, how: 'commit' | 'roll back'): Promise<void> {
    const transaction = this.#transactions.get(number)!
    this.#transactions.delete(number)
    await (how === 'commit' ? transaction.commit() : transaction.rollback()).execute()
  }
}

/** Undefined if this process may start none. */
function started(scope: Scope, sources: readonly Source[], options: LoadOptions & ReadingOptions): Worker | undefined {
  const { dimensions, hashKey, horizon, shiftMs, acceptOld, maxJournalBytes, messageFields, parameters, format, text, onWindow } = options
  const workerData: ThreadData = {
    tenantCode: scope.tenantCode,
    schema: scope.installation.schema,
    sources: sources.map(({ source, origin }) => ({ path: source.path, origin })),
    options: { dimensions, hashKey, horizon, shiftMs, acceptOld, maxJournalBytes, messageFields, parameters, format, text },
    tellsWindows: onWindow !== undefined,
  }
  // It stands beside this file, before and after both were compiled.
  const file = new URL(import.meta.url.endsWith('.ts') ? './thread.ts' : './thread.js', import.meta.url)
  try {
    return new Worker(file, {
      workerData,
      resourceLimits: { maxYoungGenerationSizeMb: youngMegabytes, maxOldGenerationSizeMb: oldMegabytes },
      name: 'pgvantage ingest',
    })
  } catch {
    return undefined
  }
}

const withoutPrototype = <T extends object>(counts: T): T => Object.assign(Object.create(null), counts)
