import type { PackedMemory } from '../rollups/metrics/metricMemory.ts'
import type { IngestWindow } from '../rollups/windows/ingestWindow.ts'
import type { Dataset } from '../rollups/windows/locatorTally.ts'
import type { GoneRows } from '../writer/deleteGone.ts'
import type { WindowPart } from './windowPart.ts'

/** The key of one part of the journal, which is one row. */
export interface PartKey {
  id: string
  /** The window's start, in milliseconds. */
  window: number
}

/** The parts of a resource in a window that are not rolled up yet. */
export interface Unrolled {
  dataset: Dataset
  resource: string
  window: number
}

/** The parts of a resource in a window after they are rolled up. */
export interface Rolled extends Unrolled {
  /** How many of its records are not in any row yet: see `Fates`. */
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
  /** Reads parts by their ids; a part that was closed since it was listed is missing. */
  read(dataset: Dataset, keys: readonly PartKey[]): Promise<ReadonlyMap<string, WindowPart>>
}

/** A journal for the process that holds the lock on a window. */
export interface WindowTurn extends JournalReader {
  /** Whether the window is open for a resource: its records may still change. */
  isOpen(dataset: Dataset, resource: string): boolean
  /** Writes the rows of a window, and notes which parts are rolled up now. */
  write(window: IngestWindow, gone: GoneRows, rolled: readonly Rolled[], signal?: AbortSignal): Promise<void>
}

/** Stores the compact records from which windows are rolled up: in the database, or in memory. */
export interface Journal extends JournalReader {
  unrolled(): Promise<Unrolled[]>
  /** The windows that are open for spans, in order. */
  openForSpans(): Promise<number[]>
  carried(resources: readonly string[]): Promise<Carried[]>
  /** Whether a failure may pass: two writers of the same rows conflicted. */
  isPassing(error: unknown): boolean
  /** Runs work on a window under a lock, so that no other process rolls it up. */
  inTurn<T>(window: number, work: (turn: WindowTurn) => Promise<T>): Promise<T>
}
