import { howIn, howOfAll, whatIn } from './fingerprint.ts'
import type { PreparedChunk, PreparedDocument } from './prepare.ts'

/** A chunk that is stored. */
export interface StoredChunk {
  chunk_id: string
  chunk_idx: number
  fingerprint: string | null
  /** Whether it has an embedding. */
  embedded: boolean
}

/** The writes that turn the stored chunks of a document into those of its new version. */
export interface Plan {
  /**
   * Stored with the right content; only the place or metadata may differ. The fingerprint is the
   * stored one.
   */
  kept: { chunk_id: string; chunk_idx: number; moved: boolean; embedded: boolean; chunk: PreparedChunk }[]
  /** Each replaces the chunk at its place and takes over its id. */
  changed: { chunk_id: string; chunk_idx: number; chunk: PreparedChunk }[]
  added: { chunk_idx: number; chunk: PreparedChunk }[]
  removed: string[]
}

/**
 * A chunk that did not change keeps its id and embedding, even at another place. A changed chunk
 * takes the id of the chunk at its place, unless that id is kept elsewhere.
 *
 * For a chunk without an embedding only the text is compared: it keeps the stored embedding, of any
 * model.
 */
export function planOf({ chunks }: PreparedDocument, stored: readonly StoredChunk[]): Plan {
  const free = new Map(stored.map((chunk) => [chunk.chunk_idx, chunk]))
  const match = new Map<number, StoredChunk>()
  const take = (at: number, chunk: StoredChunk) => {
    match.set(at, chunk)
    free.delete(chunk.chunk_idx)
  }
  for (const [at, chunk] of chunks.entries()) {
    const there = free.get(at)
    if (there !== undefined && there.fingerprint !== null && namesOf(there.fingerprint).includes(nameOf(chunk))) take(at, there)
  }
  const elsewhere = new Map<string, StoredChunk[]>()
  for (const chunk of [...free.values()].toReversed()) {
    for (const name of chunk.fingerprint === null ? [] : namesOf(chunk.fingerprint)) {
      const same = elsewhere.get(name)
      if (same === undefined) elsewhere.set(name, [chunk])
      else same.push(chunk)
    }
  }
  for (const [at, chunk] of chunks.entries()) {
    const same = match.has(at) ? [] : (elsewhere.get(nameOf(chunk)) ?? [])
    // A chunk with both names may already be taken under its other name.
    while (same.length > 0 && free.get(same.at(-1)!.chunk_idx) !== same.at(-1)) same.pop()
    if (same.length > 0) take(at, same.pop()!)
  }
  const plan: Plan = { kept: [], changed: [], added: [], removed: [] }
  for (const [chunk_idx, chunk] of chunks.entries()) {
    const same = match.get(chunk_idx)
    const there = free.get(chunk_idx)
    if (same !== undefined) {
      const { chunk_id, embedded } = same
      const moved = same.chunk_idx !== chunk_idx
      plan.kept.push({ chunk_id, chunk_idx, moved, embedded, chunk: { ...chunk, fingerprint: same.fingerprint! } })
    } else if (there !== undefined) {
      free.delete(chunk_idx)
      plan.changed.push({ chunk_id: there.chunk_id, chunk_idx, chunk })
    } else {
      plan.added.push({ chunk_idx, chunk })
    }
  }
  plan.removed = [...free.values()].map(({ chunk_id }) => chunk_id)
  return plan
}

/** What a chunk is recognised by: its fingerprint, or only the part about the text. */
const nameOf = ({ by, fingerprint }: PreparedChunk): string => (by === 'nobody' ? whatIn(fingerprint) : fingerprint)
const namesOf = (fingerprint: string): string[] => [fingerprint, whatIn(fingerprint)]

/** Whether the stored document is already the same. */
export const changesNothing = (
  { fingerprint }: PreparedDocument,
  before: string | null,
  { kept, changed, added, removed }: Plan,
): boolean =>
  before !== null &&
  whatIn(before) === whatIn(fingerprint) &&
  changed.length + added.length + removed.length === 0 &&
  !kept.some(({ moved }) => moved)

/** The document's fingerprint after the plan is carried out; its chunks may keep an embedding. */
export function plannedFingerprint({ fingerprint }: PreparedDocument, { kept, changed, added }: Plan): string {
  const hows = [...kept, ...changed, ...added].toSorted((a, b) => a.chunk_idx - b.chunk_idx).map(({ chunk }) => howIn(chunk.fingerprint))
  return howOfAll(hows, howIn(fingerprint)) + whatIn(fingerprint)
}

/** How many chunks have no embedding after the plan is carried out. */
export const unembeddedOf = (plan: Plan): number =>
  plan.kept.filter(({ embedded }) => !embedded).length + writtenOf(plan).filter(({ by }) => by === 'nobody').length

/** The chunks of a plan that are written, and so need an embedding. */
export const writtenOf = ({ changed, added }: Plan): PreparedChunk[] => [...changed, ...added].map(({ chunk }) => chunk)
