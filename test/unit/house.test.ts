import { glob, readFile } from 'node:fs/promises'
import { dirname, join, normalize } from 'node:path'
import { describe, expect, it } from 'vitest'

/** The floors of src/, from the bottom. An import points down; between the rooms of one floor there is none. */
const floors = [
  ['schema'],
  ['database'],
  ['series', 'graph', 'ranking', 'sketch', 'lifecycle', 'picture', 'catalog'],
  ['metrics', 'calls', 'logs', 'cardinality', 'topology', 'knowledge', 'events'],
  ['operate', 'ingest', 'incident'],
  ['cli'],
]

const floorOf = (room: string) => floors.findIndex((rooms) => rooms.includes(room))
const roomOf = (file: string) => /^src\/(\w+)\//.exec(file)?.[1]

/** Why this import may not be; undefined for one that may. */
function objection(file: string, imported: string): string | undefined {
  if (!imported.startsWith('.')) return undefined
  const [from, to] = [file, normalize(join(dirname(file), imported))].map(roomOf)
  // src/index.ts stands above the house; what lies beside src/ (migrations) is looked at by nobody but the runner.
  if (from === undefined || to === undefined || from === to) return undefined
  if (floorOf(from) === -1 || floorOf(to) === -1) return `${file}: ${floorOf(from) === -1 ? from : to} is on no floor`
  if (floorOf(to) > floorOf(from)) return `${file} imports ${to}, which lies above ${from}`
  return floorOf(to) === floorOf(from) ? `${file} imports ${to}, which lies beside ${from}` : undefined
}

describe('the house', () => {
  it('has imports that point down only', async () => {
    const objections: string[] = []
    let files = 0
    for await (const file of glob('src/**/*.ts')) {
      files += 1
      for (const [, imported] of (await readFile(file, 'utf8')).matchAll(/(?:\bfrom|\bimport)\s*\(?\s*'([^']+)'/g)) {
        const found = objection(file, imported!)
        if (found !== undefined) objections.push(found)
      }
    }
    expect(files).toBeGreaterThan(50)
    expect(objections).toEqual([])
  })

  it.each([
    ['src/graph/reach.ts', '../calls/activeCalls.ts', 'src/graph/reach.ts imports calls, which lies above graph'],
    ['src/calls/a.ts', '../logs/pattern.ts', 'src/calls/a.ts imports logs, which lies beside calls'],
    ['src/schema/a.ts', '../database/scope.ts', 'src/schema/a.ts imports database, which lies above schema'],
    ['src/cli/demo/tell.ts', '../../attic/a.ts', 'src/cli/demo/tell.ts: attic is on no floor'],
    ['src/calls/a.ts', '../graph/edgeFrame.ts', undefined],
    ['src/calls/a.ts', './b.ts', undefined],
    ['src/calls/a.ts', 'kysely', undefined],
  ])('would say of %s importing %s: %s', (file, imported, expected) => {
    expect(objection(file, imported)).toBe(expected)
  })
})
