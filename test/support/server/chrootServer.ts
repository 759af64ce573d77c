import { randomUUID } from 'node:crypto'
import { fileURLToPath } from 'node:url'
import { clockShift } from '../moment/moment.ts'
import { debianRoot } from './debianRoot.ts'
import { describeServer } from './describeServer.ts'
import { freePort } from './freePort.ts'
import { rootProcess } from './rootProcess.ts'
import type { ServerLeg } from './serverLeg.ts'
import { serverUrl } from './serverUrl.ts'
import { testSettings } from './testSettings.ts'

const startScript = fileURLToPath(new URL('./debian/postgres.sh', import.meta.url))

/** PostgreSQL of a Debian trixie root, on a free loopback port, with a data directory of its own. */
export async function chrootServer(): Promise<ServerLeg> {
  const root = await debianRoot()
  if (!root.available) return root
  try {
    const port = await freePort()
    const password = randomUUID()
    const url = serverUrl({ host: '127.0.0.1', port, password })
    const settings = ['listen_addresses=127.0.0.1', `port=${port}`, 'unix_socket_directories=', 'dynamic_shared_memory_type=mmap']
    const { stop } = await rootProcess({
      root: root.path,
      script: startScript,
      args: [...testSettings, ...settings.flatMap((setting) => ['-c', setting])],
      env: { PGDATA: 'data', POSTGRES_PASSWORD: password, ...(clockShift() === 0 ? {} : { POSTGRES_CLOCK: String(clockShift() / 1000) }) },
      probe: () => describeServer(url),
    })
    return { available: true, url, description: `chroot: ${await describeServer(url)}`, stop }
  } catch (error) {
    return {
      available: false,
      reason: `the server of the Debian system did not start: ${error instanceof Error ? error.message : String(error)}`,
    }
  }
}
