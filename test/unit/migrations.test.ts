import { createHash } from 'node:crypto'
import { readdir, readFile } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { migrations } from '../../migrations/index.ts'
import type { Installation, TimeRung } from '../../src/database/installation/installation.ts'

const folder = new URL('../../migrations/', import.meta.url)
const rungs: readonly TimeRung[] = ['native', 'apache', 'community']

/**
 * The first digits of each migration's text, up and down, on each rung. A migration that has landed
 * has run somewhere: what is wrong with it is put right by the next one.
 */
const hashes: Record<string, Record<TimeRung, string>> = {
  '0001_installation': { native: 'e23b156f0f1c62f9', apache: '6a58e64d52ec9786', community: '22109c32d8ec5cf3' },
  '0002_catalog': { native: '8b2d0a543fc11939', apache: '8b2d0a543fc11939', community: '8b2d0a543fc11939' },
  '0003_rollups': { native: '32eb3634ae45fed5', apache: 'b7b21b501545236e', community: 'b7b21b501545236e' },
  '0004_topology': { native: '744a0f887d7fef11', apache: '744a0f887d7fef11', community: '744a0f887d7fef11' },
  '0005_knowledge': { native: '15f729c424ea5d47', apache: '15f729c424ea5d47', community: '15f729c424ea5d47' },
  '0006_events': { native: '0a2be806490cd7ec', apache: '0a2be806490cd7ec', community: '0a2be806490cd7ec' },
  '0007_coarser_rollups': { native: '586668d2be781dbe', apache: 'aad8bca40604720d', community: '65722354295bb673' },
  '0008_topology_sources': { native: '9d00586d239e3995', apache: '9d00586d239e3995', community: '9d00586d239e3995' },
  '0009_maintenance_failures': { native: 'e4b6beda7eb0c8d0', apache: 'e4b6beda7eb0c8d0', community: 'e4b6beda7eb0c8d0' },
  '0011_ingest_journal': { native: 'fb19a64aa1ec0846', apache: 'fb19a64aa1ec0846', community: 'fb19a64aa1ec0846' },
  '0013_retrieval': { native: '193c61604a690437', apache: '193c61604a690437', community: '193c61604a690437' },
  '0014_followed_files': { native: 'd3f3ccf81c6c0da9', apache: 'd3f3ccf81c6c0da9', community: 'd3f3ccf81c6c0da9' },
  '0012_sketches': { native: '504fd5434af09251', apache: '8dfcd31167da44f3', community: 'd9d076a1281e856b' },
  '0010_canonical_evidence': { native: 'd4a8161a69204154', apache: 'd4a8161a69204154', community: 'd4a8161a69204154' },
}

describe('a migration that has landed', () => {
  beforeAll(() => {
    // Partitions are made around now.
    vi.useFakeTimers({ now: new Date('2026-01-01T00:00:00Z'), toFake: ['Date'] })
  })
  afterAll(() => vi.useRealTimers())

  const textOf = (name: string, timeRung: TimeRung): string => {
    const migration = migrations.find((one) => one.name === name)!
    const installation: Installation = {
      schema: 'public',
      graphPrefix: 'ops',
      embeddingDimension: 1536,
      embeddingDistance: 'l2',
      embeddingType: 'vector',
      knowledgeLanguage: 'english',
      timeRung,
    }
    return [...migration.up(installation), '-- down', ...migration.down(installation)].join(';\n')
  }

  it.each(migrations.map(({ name }) => name))('never changes: %s', (name) => {
    const hash = (rung: TimeRung) => createHash('sha256').update(textOf(name, rung)).digest('hex').slice(0, 16)
    expect(Object.fromEntries(rungs.map((rung) => [rung, hash(rung)]))).toEqual(hashes[name])
  })

  it('imports nothing that lives on, but how names are quoted', async () => {
    const allowed = ['../src/database/sql/identifier.ts', '../src/database/installation/installation.ts']
    for (const file of await readdir(folder)) {
      const text = await readFile(new URL(file, folder), 'utf8')
      const imported = [...text.matchAll(/ from '([^']+)'/g)].map(([, path]) => path!)
      expect({ file, lives: imported.filter((path) => !path.startsWith('./') && !allowed.includes(path)) }).toEqual({ file, lives: [] })
    }
  })
})
