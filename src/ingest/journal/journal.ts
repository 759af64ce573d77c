import type { PackedMemory } from '../rollups/metrics/metricMemory.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'
import type { GoneRows } from '../writer/deleteGone.ts'
import type { WindowPart } from './windowPart.ts'

/** One part in the journal: one row. */
export interface PartKey {
  id: string
  /** The window's start, in milliseconds. */
  window: number
}

/** What a resource has in a window that is not rolled up yet. */
export interface Unrolled {
  dataset: Dataset
  resource: string
  window: number
}

/** What a resource has in a window, now that it is rolled up. */
export interface Rolled extends Unrolled {
  /** How many of its records are in no row yet: see `Fates`. */
  waiting: number
}

/** What was remembered of a resource's metrics when its windows up to a time closed. */
export interface Carried {
  resource: string
  /** The end of the last window that closed, in milliseconds. */
  until: number
  memory: PackedMemory
}

/** Reads the journal of a tenant. */
export interface JournalReader {
  /** The windows that have parts of a dataset, in order. */
  windows(dataset: Dataset): Promise<number[]>
  /** The parts of the windows from `from` to `to`, both included, in order. */
  parts(dataset: Dataset, from: number, to: number): Promise<PartKey[]>
  /** By their ids; one that has closed since it was listed is missing. */
  read(dataset: Dataset, keys: readonly PartKey[]): Promise<ReadonlyMap<string, WindowPart>>
}

/** A journal as one sees it who alone rolls up a window. */
export interface WindowTurn extends JournalReader {
  /** Whether the window is open for a resource: what it reported may still change. */
  isOpen(dataset: Dataset, resource: string): boolean
  /** Writes what a window has, and notes what of it is rolled up now. */
  write(window: IngestWindow, gone: GoneRows, rolled: readonly Rolled[], signal?: AbortSignal): Promise<void>
}

/** Where the compact records are kept from which windows are rolled up: the database, or memory. */
export interface Journal extends JournalReader {
  unrolled(): Promise<Unrolled[]>
  /** The windows that are open for spans, in order. */
  openForSpans(): Promise<number[]>
  carried(resources: readonly string[]): Promise<Carried[]>
  /** Whether what failed may be tried again: two who wrote the same got in each other's way. */
  isPassing(error: unknown): boolean
  /** Does work on a window while nobody else rolls it up. */
  inTurn<T>(window: number, work: (turn: WindowTurn) => Promise<T>): Promise<T>
}
