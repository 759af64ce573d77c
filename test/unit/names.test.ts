import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { beforeAll, describe, expect, it } from 'vitest'
import { manifest } from '../../src/operate/manifest.ts'
import { namesIn, publicProperties, tokensOf } from '../support/api/declarations.ts'
import { entries } from '../support/api/entries.ts'

/*
 * docs/names.md says of every name that a user meets what it is and who has it. Whoever adds a name
 * gives it a row there, or takes a name that is there already for the same thing.
 */

const andOthers = ' and others'

interface Row {
  names: string[]
  owners: string[]
  /** Whether `owners` are all that have the names. */
  all: boolean
}

/** The rows of the tables of names: those of three columns. */
function rowsOf(page: string): Row[] {
  const quoted = (cell: string) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name]) => name!)
  return page
    .split('\n')
    .map((line) => line.split(' | '))
    .filter((cells) => cells.length === 3 && cells[0]!.startsWith('| `'))
    .map(([names, , where]) => ({ names: quoted(names!), owners: quoted(where!), all: !where!.includes(andOthers) }))
}

/** Who has each name: the declarations of a build, as its users get them. */
async function ownersOfNames(): Promise<Map<string, Set<string>>> {
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-declarations-'))
  try {
    const compiler = join('node_modules', 'typescript', 'bin', 'tsc')
    const build = ['-p', 'tsconfig.build.json', '--emitDeclarationOnly', '--noCheck', '--outDir', folder]
    await promisify(execFile)(process.execPath, [compiler, ...build])
    const found = await publicProperties((await entries()).map(([, source]) => join(folder, source.replace('.ts', '.d.ts'))))
    // Evidence names the rows of a table by the table's own name.
    for (const table of Object.keys(manifest.tables)) found.delete(table)
    return found
  } finally {
    await rm(folder, { recursive: true })
  }
}

describe('docs/names.md', () => {
  let rows: Row[]
  let owners: Map<string, Set<string>>
  beforeAll(async () => {
    rows = rowsOf(await readFile('docs/names.md', 'utf8'))
    owners = await ownersOfNames()
  }, 180_000)

  it('has every name that a user meets, and none that is gone', () => {
    const listed = rows.flatMap(({ names }) => names)
    const wanting = [...owners].filter(([name]) => !listed.includes(name)).map(([name, who]) => `${name} of ${[...who].join(', ')}`)
    const gone = listed.filter((name) => !owners.has(name))
    expect(owners.size).toBeGreaterThan(400)
    expect(
      { wanting, gone },
      'give each name that is wanting a row in docs/names.md, or take one that is there for the same thing; take out what is gone',
    ).toEqual({ wanting: [], gone: [] })
  })

  it('has each of them once', () => {
    const listed = rows.flatMap(({ names }) => names)
    expect(listed.filter((name, at) => listed.indexOf(name) !== at)).toEqual([])
  })

  it('says who has it', () => {
    const wrong = rows.flatMap(({ names, owners: said, all }) => {
      const having = new Set(names.flatMap((name) => [...(owners.get(name) ?? [])]))
      const strangers = said.filter((owner) => !having.has(owner))
      const unsaid = all ? [...having].filter((owner) => !said.includes(owner)) : []
      return strangers.length + unsaid.length === 0 ? [] : [{ names, strangers, unsaid }]
    })
    expect(wrong, `mend the last column of docs/names.md, or end it with "${andOthers.trim()}"`).toEqual([])
  })
})

describe('the names in a declaration', () => {
  const names = (text: string) => namesIn(tokensOf(text))

  it.each([
    ['Row { src: string; readonly dst?: Id; }', ['src', 'dst'], ['Row', 'string', 'Id']],
    ['Row extends Base { /* no: name */ at: Date; // nor: this\n "of": A; }', ['at', 'of'], ['Row', 'extends', 'Base', 'Date', 'A']],
    [
      'read(scope: Scope, { from, to }: Range, given?: { limit?: number }): Rows',
      ['limit'],
      ['read', 'from', 'Scope', 'Range', 'number', 'Rows'],
    ],
    [
      'Scope { table<Name extends keyof DB>(name: Name): Table; onStep: (unit: Unit) => void; }',
      ['table', 'onStep'],
      ['Unit', 'DB', 'Table'],
    ],
    ['Fn = (a: { b: string; }) => A extends B ? { c: C; } : D', ['b', 'c'], ['A', 'B', 'C', 'D']],
    ['Class { private readonly hidden: Hidden; static of: Of; shown: Shown; }', ['shown'], ['Shown']],
    ["Text = 'a: b' | `x: ${string}` | { a: 'b: c'; }", ['a'], ['Text']],
  ])('%s', (text, properties, others) => {
    expect(names(text).properties).toEqual(properties)
    expect(names(text).others).toEqual(expect.arrayContaining(others))
  })
})
