import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { howBytes } from '../../../../src/knowledge/documents/fingerprint.ts'
import {
  changesNothing,
  plannedFingerprint,
  planOf,
  unembeddedOf,
  writtenOf,
  type StoredChunk,
} from '../../../../src/knowledge/documents/plan.ts'
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
  fingerprints.map((fingerprint, at) => ({ chunk_id: `${at + 100}`, chunk_idx: at, fingerprint, embedded: true }))

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

describe('of a document that is given no embeddings', () => {
  /** A fingerprint of a text, embedded by `how`. */
  const printOf = (how: string, what: string) => how.repeat(2 * howBytes) + what.repeat(40)
  const given = (whats: readonly string[], by: 'nobody' | 'model', how: string): PreparedDocument => {
    const document = documentOf(whats.map((what) => printOf(how, what)))
    return { ...document, fingerprint: printOf(how, 'd'), chunks: document.chunks.map((chunk) => ({ ...chunk, by })) }
  }
  const stored = (chunks: readonly (readonly [how: string, what: string])[]) =>
    storedOf(chunks.map(([how, what]) => printOf(how, what))).map((chunk, at) => ({ ...chunk, embedded: chunks[at]![0] !== '0' }))

  it('keeps each chunk of the same text, by whichever model it is embedded', () => {
    const document = given(['a', 'b', 'c'], 'nobody', '0')
    const plan = planOf(
      document,
      stored([
        ['1', 'b'],
        ['1', 'x'],
        ['0', 'c'],
      ]),
    )
    expect(plan.kept.map(({ chunk_id, chunk_idx, moved, chunk }) => [chunk_id, chunk_idx, moved, chunk.fingerprint])).toEqual([
      ['100', 1, true, printOf('1', 'b')],
      ['102', 2, false, printOf('0', 'c')],
    ])
    expect([unembeddedOf(plan), writtenOf(plan).map(({ content }) => content)]).toEqual([2, [printOf('0', 'a')]])
    expect(changesNothing(document, printOf('1', 'd'), plan)).toBe(false)
  })

  it('tells that nothing changes, and has the fingerprint of the one that embeds as the chunks are', () => {
    const there = stored([
      ['1', 'a'],
      ['1', 'b'],
    ])
    const document = given(['a', 'b'], 'nobody', '0')
    const plan = planOf(document, there)
    expect(changesNothing(document, printOf('1', 'd'), plan)).toBe(true)
    expect(changesNothing(document, printOf('1', 'e'), plan)).toBe(false)
    expect(changesNothing(document, null, plan)).toBe(false)
    expect(plannedFingerprint(document, plan)).toBe(printOf('1', 'd'))
    const other = given(['a', 'b'], 'model', '2')
    expect(planOf(other, there).kept).toEqual([])
    expect(changesNothing(other, printOf('1', 'd'), planOf(other, there))).toBe(false)
  })

  it('takes no chunk twice', () => {
    const document = given(['a', 'a', 'a'], 'nobody', '0')
    const plan = planOf(
      document,
      stored([
        ['1', 'x'],
        ['1', 'y'],
        ['1', 'z'],
        ['1', 'a'],
        ['2', 'a'],
      ]),
    )
    expect(plan.kept.map(({ chunk_id }) => chunk_id)).toEqual(['103', '104'])
    expect([plan.changed.length, plan.added.length, plan.removed.length]).toEqual([1, 0, 2])
  })
})
