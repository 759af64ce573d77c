import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { basename } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const runScript = fileURLToPath(new URL('./debian/run-in-root.sh', import.meta.url))
const startsWithin = 60_000
const stopsWithin = 10_000

/** How to run a server inside a Debian root. */
export interface RootProcessOptions {
  /** The root's folder. */
  root: string
  /** A script on this machine that ends by becoming the server. It runs as the user postgres, in a private folder that is its working folder and `HOME`. */
  script: string
  args?: string[]
  /** Its environment, apart from `HOME`, `PATH` and `LC_ALL`. */
  env: Record<string, string>
  /** Succeeds once the server serves; tried until then. */
  probe: () => Promise<unknown>
}

/**
 * Starts a server inside a Debian root and returns when it serves. Server and folder are gone after `stop()`, and soon after the end of this process, in
 * whatever way it ends: the kernel tells the server's watcher (`debian/run-in-root.sh`), so there is no signal to catch here.
 *
 * @throws Error when the server ends, with the end of its log, or does not serve within a minute.
 */
export async function rootProcess({ root, script, args = [], env, probe }: RootProcessOptions): Promise<{ stop(): Promise<void> }> {
  const folder = `/var/tmp/pgvantage/${randomUUID()}`
  // In a session of its own, since Ctrl-C at a terminal must not stop the server before the tests have closed their connections.
  const watcher = spawn('setpriv', ['--pdeathsig=INT', runScript, root, folder, script, ...args], {
    env: { PATH: process.env.PATH, ...env },
    stdio: ['ignore', 'ignore', 'pipe'],
    detached: true,
  })
  const lastWords = text(watcher.stderr)
  const ended = once(watcher, 'exit')
  const running = () => watcher.exitCode === null && watcher.signalCode === null

  const stop = async () => {
    if (!running()) return
    watcher.kill('SIGINT')
    const late = delay(stopsWithin, 'late' as const, { ref: false })
    if ((await Promise.race([ended, late])) === 'late') watcher.kill('SIGQUIT')
    await ended
  }

  const deadline = Date.now() + startsWithin
  while (running() && Date.now() < deadline) {
    try {
      await probe()
      return { stop }
    } catch {
      await Promise.race([ended, delay(100)])
    }
  }
  if (!running()) throw new Error(`${basename(script)} ended while starting: ${(await lastWords).trim()}`)
  await stop()
  throw new Error(`${basename(script)} did not serve within ${startsWithin / 1000} s`)
}
