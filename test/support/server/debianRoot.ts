import { execFile } from 'node:child_process'
import { access } from 'node:fs/promises'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

const buildScript = fileURLToPath(new URL('./debian/build-root.sh', import.meta.url))

/** A Debian system in a folder, or why it cannot be had. */
export type DebianRoot = { available: true; path: string } | { available: false; reason: string }

/**
 * The Debian trixie system with the packages of `debian/packages.txt`, in the user's cache folder (`$XDG_CACHE_HOME`, else `~/.cache`). It is built when it is
 * not there (about a minute, 700 MB) from the Debian mirror and through the proxy that the machine is set up for.
 */
export async function debianRoot(): Promise<DebianRoot> {
  if (process.getuid?.() !== 0) return { available: false, reason: 'not root, so no Debian system can be made' }
  const isDebian = await access('/etc/debian_version').then(
    () => true,
    () => false,
  )
  if (!isDebian) return { available: false, reason: 'not a Debian machine, so no Debian system can be made' }

  const path = join(process.env.XDG_CACHE_HOME || join(homedir(), '.cache'), 'pgvantage', 'trixie-postgresql-17')
  try {
    await promisify(execFile)(buildScript, [path])
    return { available: true, path }
  } catch (error) {
    return { available: false, reason: `no Debian system could be made: ${lastWords(error)}` }
  }
}

function lastWords(error: unknown): string {
  const said = error instanceof Error && 'stderr' in error ? String(error.stderr).trim() : ''
  return said || String(error)
}
