import fc from 'fast-check'
import { expect, it } from 'vitest'
import { planOf, writtenOf, type StoredChunk } from '../../../../src/knowledge/documents/plan.ts'
import type { PreparedDocument } from '../../../../src/knowledge/documents/prepare.ts'

const documentOf = (fingerprints: readonly string[]): PreparedDocument => ({
  source: 's',
  title: 't',
  url: null,
  metadata: {},
  fingerprint: '',
  chunks: fingerprints.map((fingerprint) => ({
    fingerprint,
    content: fingerprint,
    context: '',
    brought: undefined,
    by: 'model',
    metadata: {},
  })),
})
const storedOf = (fingerprints: readonly (string | null)[]): StoredChunk[] =>
  fingerprints.map((fingerprint, at) => ({ chunk_id: `${at + 100}`, chunk_idx: at, fingerprint }))

it('makes of what is stored the new version, each place once, and writes no more than what is new', () => {
  const letters = fc.constantFrom('a', 'b', 'c', 'd')
  fc.assert(
    fc.property(fc.array(letters, { maxLength: 8 }), fc.array(fc.option(letters), { maxLength: 8 }), (wanted, before) => {
      const stored = storedOf(before)
      const plan = planOf(documentOf(wanted), stored)
      const after = new Map<number, string>()
      const used = new Set<string>()
      for (const { chunk_id, chunk_idx, moved, chunk } of plan.kept) {
        const old = stored.find((each) => each.chunk_id === chunk_id)!
        expect(old.fingerprint).toBe(chunk.fingerprint)
        expect(moved).toBe(old.chunk_idx !== chunk_idx)
        after.set(chunk_idx, chunk.fingerprint)
        used.add(chunk_id)
      }
      for (const { chunk_id, chunk_idx, chunk } of plan.changed) {
        // Nothing has to make room for it.
        expect(stored[chunk_idx]!.chunk_id).toBe(chunk_id)
        after.set(chunk_idx, chunk.fingerprint)
        used.add(chunk_id)
      }
      for (const { chunk_idx, chunk } of plan.added) after.set(chunk_idx, chunk.fingerprint)
      for (const chunk_id of plan.removed) used.add(chunk_id)
      expect([...after].toSorted(([a], [b]) => a - b)).toEqual([...wanted.entries()])
      expect(plan.kept.length + plan.changed.length + plan.added.length).toBe(wanted.length)
      expect(used.size).toBe(plan.kept.length + plan.changed.length + plan.removed.length)
      expect(used.size).toBe(stored.length)
      const reusable = [...new Set(wanted)].reduce(
        (sum, each) => sum + Math.min(wanted.filter((other) => other === each).length, before.filter((other) => other === each).length),
        0,
      )
      expect(writtenOf(plan)).toHaveLength(wanted.length - reusable)
    }),
  )
})

it('keeps everything in place where nothing has changed', () => {
  const plan = planOf(documentOf(['a', 'b', 'a']), storedOf(['a', 'b', 'a']))
  expect(plan.kept.map(({ chunk_id, moved }) => [chunk_id, moved])).toEqual([
    ['100', false],
    ['101', false],
    ['102', false],
  ])
  expect([plan.changed, plan.added, plan.removed]).toEqual([[], [], []])
})
