import type { PreparedChunk, PreparedDocument } from './prepare.ts'

/** A chunk that is stored. */
export interface StoredChunk {
  chunk_id: string
  chunk_idx: number
  fingerprint: string | null
}

/** What is stored of a document that changed. */
export interface StoredDocument {
  doc_id: string
  chunks: readonly StoredChunk[]
}

/** What makes the stored chunks of a document those of its new version. */
export interface Plan {
  /** Stored as they should be, but perhaps for their place and metadata. */
  kept: { chunk_id: string; chunk_idx: number; moved: boolean; chunk: PreparedChunk }[]
  /** At the place of another one, whose id they get. */
  changed: { chunk_id: string; chunk_idx: number; chunk: PreparedChunk }[]
  added: { chunk_idx: number; chunk: PreparedChunk }[]
  removed: string[]
}

/**
 * A chunk that did not change keeps its id and embedding, also where it is at another place now;
 * else it takes the id of the chunk at its place, where that is not wanted elsewhere.
 */
export function planOf({ chunks }: PreparedDocument, stored: readonly StoredChunk[]): Plan {
  const free = new Map(stored.map((chunk) => [chunk.chunk_idx, chunk]))
  const match = new Map<number, StoredChunk>()
  const take = (at: number, chunk: StoredChunk) => {
    match.set(at, chunk)
    free.delete(chunk.chunk_idx)
  }
  for (const [at, { fingerprint }] of chunks.entries()) {
    const there = free.get(at)
    if (there?.fingerprint === fingerprint) take(at, there)
  }
  const elsewhere = new Map<string, StoredChunk[]>()
  for (const chunk of [...free.values()].toReversed()) {
    if (chunk.fingerprint === null) continue
    const same = elsewhere.get(chunk.fingerprint)
    if (same === undefined) elsewhere.set(chunk.fingerprint, [chunk])
    else same.push(chunk)
  }
  for (const [at, { fingerprint }] of chunks.entries()) {
    const same = match.has(at) ? undefined : elsewhere.get(fingerprint)?.pop()
    if (same !== undefined) take(at, same)
  }
  const plan: Plan = { kept: [], changed: [], added: [], removed: [] }
  for (const [chunk_idx, chunk] of chunks.entries()) {
    const same = match.get(chunk_idx)
    const there = free.get(chunk_idx)
    if (same !== undefined) {
      plan.kept.push({ chunk_id: same.chunk_id, chunk_idx, moved: same.chunk_idx !== chunk_idx, chunk })
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

/** The chunks of a plan that are written, and so need an embedding. */
export const writtenOf = ({ changed, added }: Plan): PreparedChunk[] => [...changed, ...added].map(({ chunk }) => chunk)
