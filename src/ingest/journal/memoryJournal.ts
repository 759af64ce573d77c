import { encodePart, decodePart } from './encode.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'
import type { OtlpRequest } from '../sources/otlpRequest.ts'
import { emptyReport, type RollUpReport } from '../rollups/windows/rollUpReport.ts'
import { Batch, type BatchRules } from './batch.ts'
import type { Carried, Journal, PartKey, Unrolled, WindowTurn } from './journal.ts'
import { joinReach, memoriesAfter } from './rollJournal.ts'
import type { WindowPart } from './windowPart.ts'

interface Stored extends PartKey {
  dataset: Dataset
  bytes: Uint8Array
  requests: ReadonlySet<string>
  told: boolean
}

/** How many records are encoded at a time, and how long they wait for more, in milliseconds. */
const recordsPerPart = 10_000
const longestWait = 10_000

/** A journal in memory, for `rollUp`, which writes nothing. */
export class MemoryJournal implements Journal {
  readonly #parts = new Map<string, Stored>()
  readonly #open = new Map<string, Unrolled & { rolled: boolean }>()
  readonly #closed = new Set<string>()
  readonly #carried = new Map<string, Carried>()
  /** How many parts have records of each request. */
  readonly #requests = new Map<string, number>()
  readonly #known = {
    requests: this.#requests,
    isClosed: (dataset: Dataset, resource: string, window: number) => this.#closed.has(keyOf({ dataset, resource, window })),
  }
  /** What is not encoded yet. */
  #gathered: { batch: Batch; since: number } | undefined
  #last = 0
  /** Its size in bytes. */
  bytes = 0

  /**
   * Adds requests, which are not needed afterwards: their records are compact at once, and encoded
   * when there are many.
   *
   * @returns what happened to the records that are encoded now.
   */
  append(requests: readonly OtlpRequest[], rules: BatchRules): RollUpReport {
    this.#gathered ??= { batch: new Batch([], rules, this.#known), since: performance.now() }
    const { batch, since } = this.#gathered
    batch.add(requests)
    return batch.records < recordsPerPart && performance.now() - since < longestWait ? emptyReport() : this.flush()
  }

  /** Encodes what has been added. */
  flush(): RollUpReport {
    const batch = this.#gathered?.batch
    this.#gathered = undefined
    if (batch === undefined) return emptyReport()
    for (const part of batch.parts) {
      const bytes = encodePart(part)
      const id = String(++this.#last)
      this.bytes += bytes.length
      this.#parts.set(id, { id, window: part.window, dataset: part.dataset, bytes, requests: part.requests, told: false })
      for (const digest of part.requests) this.#requests.set(digest, (this.#requests.get(digest) ?? 0) + 1)
      for (const resource of part.reported.keys()) {
        const open = { dataset: part.dataset, resource, window: part.window, rolled: false }
        this.#open.set(keyOf(open), open)
      }
    }
    return batch.report
  }

  async unrolled(): Promise<Unrolled[]> {
    return [...this.#open.values()].filter(({ rolled }) => !rolled)
  }

  async openForSpans(): Promise<number[]> {
    const windows = [...this.#open.values()].flatMap(({ dataset, window }) => (dataset === 'traces' ? [window] : []))
    return [...new Set(windows)].sort((a, b) => a - b)
  }

  async windows(dataset: Dataset): Promise<number[]> {
    const windows = [...this.#parts.values()].flatMap((part) => (part.dataset === dataset ? [part.window] : []))
    return [...new Set(windows)].sort((a, b) => a - b)
  }

  async parts(dataset: Dataset, from: number, to: number): Promise<PartKey[]> {
    return [...this.#parts.values()]
      .filter((part) => part.dataset === dataset && part.window >= from && part.window <= to)
      .sort((a, b) => a.window - b.window)
  }

  async read(dataset: Dataset, keys: readonly PartKey[]): Promise<Map<string, WindowPart>> {
    return new Map(
      keys.map(({ id }) => {
        const { window, bytes, told } = this.#parts.get(id)!
        return [id, decodePart(dataset, window, bytes, !told)]
      }),
    )
  }

  async carried(resources: readonly string[]): Promise<Carried[]> {
    return resources.flatMap((resource) => this.#carried.get(resource) ?? [])
  }

  isPassing(): boolean {
    return false
  }

  inTurn<T>(window: number, work: (turn: WindowTurn) => Promise<T>): Promise<T> {
    return work({
      windows: (dataset) => this.windows(dataset),
      parts: (dataset, from, to) => this.parts(dataset, from, to),
      read: (dataset, keys) => this.read(dataset, keys),
      isOpen: (dataset, resource) => this.#open.has(keyOf({ dataset, resource, window })),
      write: async (_window, _gone, rolled) => {
        for (const one of rolled) {
          const open = this.#open.get(keyOf(one))
          if (open !== undefined) open.rolled = true
        }
        const datasets = new Set(rolled.map(({ dataset }) => dataset))
        for (const part of this.#parts.values()) if (part.window === window && datasets.has(part.dataset)) part.told = true
      },
    })
  }

  /** Closes the oldest windows until half of `maxBytes` is left. */
  async closeOldest(maxBytes: number, horizon: number): Promise<number> {
    const windows = [...new Set([...this.#parts.values()].map(({ window }) => window))].sort((a, b) => a - b)
    const closing = new Set<number>()
    let left = this.bytes
    for (const window of windows) {
      if (left <= maxBytes / 2) break
      closing.add(window)
      for (const part of this.#parts.values()) if (part.window === window) left -= part.bytes.length
    }
    const due = [...this.#open.values()].filter(({ window, rolled }) => rolled && closing.has(window))
    const lastMetrics = new Map<string, number>()
    for (const { dataset, resource, window } of due) {
      if (dataset === 'metrics') lastMetrics.set(resource, Math.max(lastMetrics.get(resource) ?? -Infinity, window))
    }
    for (const carried of await memoriesAfter(this, lastMetrics, await this.carried([...lastMetrics.keys()]))) {
      this.#carried.set(carried.resource, carried)
    }
    for (const open of due) {
      this.#open.delete(keyOf(open))
      this.#closed.add(keyOf(open))
    }
    const reach = joinReach(horizon)
    for (const [id, { dataset, window, bytes, requests }] of this.#parts) {
      const near = dataset === 'traces' ? reach : 0
      if ([...this.#open.values()].some((open) => open.dataset === dataset && Math.abs(open.window - window) <= near)) continue
      this.#parts.delete(id)
      for (const digest of requests) {
        const others = this.#requests.get(digest)! - 1
        if (others === 0) this.#requests.delete(digest)
        else this.#requests.set(digest, others)
      }
      this.bytes -= bytes.length
    }
    return due.length
  }
}

const keyOf = ({ dataset, resource, window }: Unrolled): string => `${dataset} ${window} ${resource}`
