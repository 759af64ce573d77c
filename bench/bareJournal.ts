import { Batch, type BatchRules } from '../src/ingest/journal/batch.ts'
import type { Journal, PartKey, Unrolled, WindowTurn } from '../src/ingest/journal/journal.ts'
import type { WindowPart } from '../src/ingest/journal/windowPart.ts'
import type { Dataset } from '../src/ingest/rollups/windows/locatorTally.ts'
import type { OtlpRequest } from '../src/ingest/sources/otlpRequest.ts'

/** What a journal is compared with: the records as they are in memory, neither encoded nor kept. */
export class BareJournal implements Journal {
  readonly #parts: WindowPart[] = []
  #unrolled: Unrolled[] = []

  append(requests: readonly OtlpRequest[], rules: BatchRules): void {
    for (const part of new Batch(requests, rules).parts) {
      this.#parts.push(part)
      for (const resource of part.reported.keys()) this.#unrolled.push({ dataset: part.dataset, resource, window: part.window })
    }
  }

  async unrolled(): Promise<Unrolled[]> {
    const unrolled = this.#unrolled
    this.#unrolled = []
    return unrolled
  }

  async windows(dataset: Dataset): Promise<number[]> {
    return [...new Set(this.#parts.flatMap((part) => (part.dataset === dataset ? [part.window] : [])))].sort((a, b) => a - b)
  }

  async parts(dataset: Dataset, from: number, to: number): Promise<PartKey[]> {
    return this.#parts.flatMap((part, at) =>
      part.dataset === dataset && part.window >= from && part.window <= to ? [{ id: String(at), window: part.window }] : [],
    )
  }

  async read(_dataset: Dataset, keys: readonly PartKey[]): Promise<Map<string, WindowPart>> {
    return new Map(keys.map(({ id }) => [id, this.#parts[Number(id)]!]))
  }

  openForSpans(): Promise<number[]> {
    return this.windows('traces')
  }

  async carried(): Promise<[]> {
    return []
  }

  isPassing(): boolean {
    return false
  }

  inTurn<T>(_window: number, work: (turn: WindowTurn) => Promise<T>): Promise<T> {
    return work({
      windows: (dataset) => this.windows(dataset),
      parts: (dataset, from, to) => this.parts(dataset, from, to),
      read: (dataset, keys) => this.read(dataset, keys),
      isOpen: () => true,
      write: async () => {},
    })
  }
}
