import { readFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { entries } from '../support/api/entries.ts'

/*
 * publicApi.txt lists what every entry of the package exports. Whoever changes that on purpose has it written again:
 *
 *     npx vitest run --project unit test/unit/publicApi.test.ts -u
 *
 * and adds what is new to docs/functions.md, under the question that it answers.
 */

/** The names of the types that a file exports, itself or from others. */
async function typesOf(file: string): Promise<string[]> {
  const text = (await readFile(file, 'utf8')).replaceAll(/\/\*[\s\S]*?\*\//g, '')
  const own = [...text.matchAll(/^export (?:interface|type) (\w+)/gm)].map(([, name]) => name!)
  const listed = [...text.matchAll(/^export (type )?\{([^}]*)\}/gm)].flatMap(([, all, list]) =>
    list!
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '' && (all !== undefined || item.startsWith('type ')))
      .map((item) => item.replace(/^type /, '').replace(/^\w+ as /, '')),
  )
  const others = [...text.matchAll(/^export \* from '([^']+)'/gm)].map(([, path]) =>
    typesOf(new URL(path!, `file:///${file}`).pathname.slice(1)),
  )
  return [...own, ...listed, ...(await Promise.all(others)).flat()]
}

const namesOf = async (file: string): Promise<string[]> => {
  const values = Object.keys((await import(`../../${file}`)) as object)
  return [...values.toSorted(), ...[...new Set(await typesOf(file))].toSorted().map((name) => `type ${name}`)]
}

it('exports the names that are listed, and no others', async () => {
  const sections: string[] = []
  for (const [entry, file] of (await entries()).filter(([entry]) => entry !== 'pgvantage')) {
    sections.push([entry, ...(await namesOf(file)).map((name) => `  ${name}`), ''].join('\n'))
  }
  expect(sections.length).toBeGreaterThan(15)
  await expect(sections.join('\n')).toMatchFileSnapshot('publicApi.txt')
}, 60_000)

it('has everything that needs no optional package in one entry', async () => {
  const apart = ['pgvantage', 'pgvantage/embedded', 'pgvantage/picture', 'pgvantage/openai', 'pgvantage/ai-sdk']
  const rooms = await Promise.all((await entries()).filter(([entry]) => !apart.includes(entry)).map(([, file]) => namesOf(file)))
  expect(await namesOf('src/index.ts')).toEqual(
    [...new Set(rooms.flat())].toSorted((a, b) => Number(a.startsWith('type ')) - Number(b.startsWith('type ')) || (a < b ? -1 : 1)),
  )
}, 60_000)

/** The tables of docs/functions.md: what each row names, in which column and line. */
async function named(): Promise<{ name: string; column: number; line: number }[]> {
  const lines = (await readFile('docs/functions.md', 'utf8')).split('\n')
  return lines.flatMap((text, at) => {
    if (!text.startsWith('| ')) return []
    const cells = text.split(' | ')
    // The first column asks; in the last table, of two columns, it is the first that names.
    return cells.flatMap((cell, column) =>
      (cells.length === 2) === (column === 0)
        ? [...cell.matchAll(/`(\w+)`/g)].map(([, name]) => ({ name: name!, column, line: at + 1 }))
        : [],
    )
  })
}

/** What the package exports, by publicApi.txt. */
async function exported(): Promise<{ values: string[]; types: string[] }> {
  const names = (await readFile('test/unit/publicApi.txt', 'utf8')).split('\n').filter((line) => line.startsWith('  '))
  const all = [...new Set(names.map((name) => name.trim()))]
  return {
    values: all.filter((name) => !name.startsWith('type ')),
    types: all.filter((name) => name.startsWith('type ')).map((name) => name.replace('type ', '')),
  }
}

describe('docs/functions.md', () => {
  it('has every export: add a new function as a row under the question that it answers, a new type in the last column of its function', async () => {
    const there = new Set((await named()).map(({ name }) => name))
    const { values, types } = await exported()
    expect(values.length).toBeGreaterThan(150)
    const missing = [...values, ...types].filter((name) => !there.has(name))
    expect(missing, `docs/functions.md lacks: ${missing.join(', ')}`).toEqual([])
  })

  it('names nothing that is not exported, functions in the second column and types in the third', async () => {
    const { values, types } = await exported()
    const wrong = (await named()).filter(({ name, column }) => !(column === 1 ? values : types).includes(name))
    expect(wrong.map(({ name, line }) => `docs/functions.md:${line}: ${name} is not exported, or stands in the wrong column`)).toEqual([])
  })

  it('names each thing once', async () => {
    const lines = new Map<string, number[]>()
    for (const { name, line } of await named()) lines.set(name, [...(lines.get(name) ?? []), line])
    expect([...lines].filter(([, at]) => at.length > 1)).toEqual([])
  })
})
