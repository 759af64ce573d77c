import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { vi } from 'vitest'
import { openEmbedded } from '../../src/database/connection/embedded.ts'
import { imageOf } from './leg.ts'

/**
 * Runs `examples/NAME/NAME.ts` as a reader would: what it printed, and the page it wrote.
 *
 * In this process, where PGlite has been compiled, and in a copy of the migrated database, where
 * its own migrations have nothing left to do: a process and a database of its own would take ten
 * seconds of processor time, for what the other tests of this leg have done already.
 *
 * @param migrated false for one that migrates with options of its own: it begins with an empty one.
 */
export async function readNotebook(name: string, { migrated = true } = {}): Promise<{ told: string; page: string }> {
  const folder = await mkdtemp(join(tmpdir(), `pgvantage-${name}-`))
  const { argv } = process
  const said = vi.spyOn(console, 'log').mockImplementation(() => {})
  vi.doMock('../../src/database/connection/embedded.ts', async (original) => ({
    ...(await original()),
    openEmbedded: () => openEmbedded({ image: imageOf({ migrated }) }),
  }))
  process.argv = [...argv.slice(0, 2), folder]
  try {
    await import(pathToFileURL(`examples/${name}/${name}.ts`).href)
    const told = said.mock.calls.map((words) => `${words.join(' ')}\n`).join('')
    return { told, page: await readFile(join(folder, `${name}.html`), 'utf8') }
  } finally {
    process.argv = argv
    vi.doUnmock('../../src/database/connection/embedded.ts')
    said.mockRestore()
    await rm(folder, { recursive: true })
  }
}
