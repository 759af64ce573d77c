import { execFile } from 'node:child_process'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'

/** Runs `examples/NAME/NAME.ts` as a reader would: what it printed, and the page it wrote. */
export async function readNotebook(name: string): Promise<{ told: string; page: string }> {
  const folder = await mkdtemp(join(tmpdir(), `pgvantage-${name}-`))
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [`examples/${name}/${name}.ts`, folder])
    return { told: stdout, page: await readFile(join(folder, `${name}.html`), 'utf8') }
  } finally {
    await rm(folder, { recursive: true })
  }
}
