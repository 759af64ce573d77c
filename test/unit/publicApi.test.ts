import { readFile } from 'node:fs/promises'
import { expect, it } from 'vitest'
import { entries } from '../support/api/entries.ts'

/*
 * publicApi.txt lists what every entry of the package exports. Whoever changes that on purpose has it written again:
 *
 *     npx vitest run --project unit test/unit/publicApi.test.ts -u
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
