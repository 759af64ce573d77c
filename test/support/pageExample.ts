import { readFile } from 'node:fs/promises'
import { stripTypeScriptTypes } from 'node:module'

const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor as new (
  ...source: string[]
) => (...values: unknown[]) => Promise<{ [name: string]: unknown }>

/**
 * Runs the first TypeScript example under a heading of a page, as it is printed, with these names
 * in scope; gives the constants that are asked for.
 */
export async function runPageExample(
  page: string,
  heading: string,
  names: { [name: string]: unknown },
  wanted: readonly string[],
): Promise<{ [name: string]: unknown }> {
  const text = await readFile(page, 'utf8')
  const [, example] = /```ts\n([\s\S]*?)\n```/.exec(text.slice(text.indexOf(`\n${heading}\n`))) ?? []
  if (example === undefined) throw new Error(`there is no example under ${heading} in ${page}`)
  const run = new AsyncFunction(...Object.keys(names), `${stripTypeScriptTypes(example)}\nreturn { ${wanted.join(', ')} }`)
  return run(...Object.values(names))
}
