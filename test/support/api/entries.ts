import { readFile } from 'node:fs/promises'

/** Each entry of the package (`pgvantage/series`) with the source it is built from (`src/series/index.ts`). */
export async function entries(): Promise<[entry: string, source: string][]> {
  const { exports } = JSON.parse(await readFile('package.json', 'utf8')) as { exports: Record<string, { types: string } | string> }
  return Object.entries(exports).flatMap(([entry, target]): [string, string][] =>
    typeof target === 'string' ? [] : [[entry.replace('.', 'pgvantage'), target.types.replace('./dist/', '').replace('.d.ts', '.ts')]],
  )
}
