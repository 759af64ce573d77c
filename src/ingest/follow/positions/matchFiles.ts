import { markBytes, markOf } from '../files/fileMark.ts'
import type { FileBytes } from '../files/fileBytes.ts'
import { DamagedError } from '../../sources/decompressed.ts'
import type { KnownFile } from './knownFile.ts'

/** A file that was found and is not followed yet. */
export interface Candidate {
  readonly path: string
  readonly inode: string
  readonly size: number
  readonly bytes: FileBytes
  /** Its first bytes, as many as are compared, or all of them. */
  readonly head: Uint8Array
}

/** The ids of files that are there, and how to read them, if they are open. */
export type Present = ReadonlyMap<string, { readonly bytes: FileBytes; readonly size: number } | undefined>

/** What a file that was found is. */
export type Match =
  /** One that is known, under whatever name; or what was moved or copied from it. */
  | { readonly kind: 'known'; readonly file: KnownFile }
  /** Another process follows it. */
  | { readonly kind: 'taken'; readonly file: KnownFile }
  /** A copy of a file that is still there: it holds nothing else, as far as can be seen. */
  | { readonly kind: 'copy'; readonly file: KnownFile }
  | { readonly kind: 'new' }

/**
 * Which of the known files those are that were found.
 *
 * | found | is |
 * |---|---|
 * | the device and inode of a known one, its first bytes, and the same bytes before its position | that one, also under another name |
 * | the same inode with other bytes | a new file: the known one was truncated or deleted |
 * | another inode, the bytes of a known one that is gone | that one: moved to another file system, or copied before it was truncated, or compressed |
 * | another inode, the bytes of a known one that is there | a copy, for as long as they are the same |
 *
 * @param present the files that are followed here.
 */
export async function matchFiles(candidates: readonly Candidate[], known: readonly KnownFile[], present: Present): Promise<Match[]> {
  const there = new Map(present)
  for (const { id, follower } of known) if (follower !== null) there.set(id, undefined)
  const taken = new Set(present.keys())
  const matches = new Map<Candidate, Match>()
  for (const candidate of candidates) {
    for (const file of known) {
      if (file.inode !== candidate.inode || taken.has(file.id) || !(await isContinued(file, candidate))) continue
      taken.add(file.id)
      if (!there.has(file.id)) there.set(file.id, candidate)
      matches.set(candidate, { kind: file.follower === null ? 'known' : 'taken', file })
      break
    }
  }
  for (const candidate of candidates) {
    if (matches.has(candidate)) continue
    for (const file of known) {
      if (file.inode === candidate.inode || !hasHead(candidate, file)) continue
      if (there.has(file.id)) {
        const original = there.get(file.id)
        if (original === undefined) continue
        // The original may have been truncated a moment ago, which its follower will notice.
        const isSame = (await isCopy(candidate, file, original)) || !(await isStill(file, original))
        if (!isSame) continue
        matches.set(candidate, { kind: 'copy', file })
        break
      }
      // What was read up to nowhere says nothing about what it is.
      if (file.position === 0 || !(await isContinued(file, candidate))) continue
      there.set(file.id, candidate)
      matches.set(candidate, { kind: 'known', file })
      break
    }
  }
  return candidates.map((candidate) => matches.get(candidate) ?? { kind: 'new' })
}

const hasHead = ({ head }: Pick<Candidate, 'head'>, { headBytes, head: mark }: KnownFile): boolean =>
  head.length >= headBytes && markOf(head.subarray(0, headBytes)) === mark

/** Whether a file begins with what was read of a known one. */
async function isContinued(file: KnownFile, candidate: Pick<Candidate, 'head' | 'bytes'>): Promise<boolean> {
  if (!hasHead(candidate, file)) return false
  if (file.position === 0) return true
  const length = Math.min(file.position, markBytes)
  const tail = await bytesAt(candidate.bytes, file.position - length, length)
  return tail?.length === length && markOf(tail) === file.tail
}

/**
 * Whether a file has the same bytes as another one at the end of the shorter, or where that was
 * read to.
 */
async function isCopy(candidate: Candidate, file: KnownFile, original: { bytes: FileBytes; size: number }): Promise<boolean> {
  if (candidate.bytes.isPacked || original.bytes.isPacked) return isContinued(file, candidate)
  const end = Math.min(candidate.size, original.size)
  const from = Math.max(0, end - markBytes)
  const [one, other] = await Promise.all([candidate.bytes.read(from, end - from), original.bytes.read(from, end - from)])
  return Buffer.from(one).equals(other)
}

/** Whether a file that is followed is as it was. */
const isStill = async (file: KnownFile, { bytes }: { bytes: FileBytes }): Promise<boolean> =>
  isContinued(file, { bytes, head: await bytes.read(0, markBytes) })

/** Undefined if compressed data is damaged. */
const bytesAt = (bytes: FileBytes, from: number, length: number): Promise<Uint8Array | undefined> =>
  bytes.read(from, length).catch((error: unknown) => {
    if (error instanceof DamagedError) return undefined
    throw error
  })
