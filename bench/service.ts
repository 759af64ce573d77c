/**
 * A service that loads a file with the library, and says nothing to V8: `node service.mjs PACKAGE
 * URL TENANT FILE`, of the built package. It prints the most memory that its process ever held, and
 * how long the load took.
 */
import { readFile } from 'node:fs/promises'
import { pathToFileURL } from 'node:url'
import type * as database from '../src/database/index.ts'
import type * as loading from '../src/ingest/index.ts'

const [folder, url, tenant, file] = process.argv.slice(2) as [string, string, string, string]
const room = (name: string) => import(pathToFileURL(`${folder}/dist/src/${name}/index.js`).href)
const { connect, tenantScope } = (await room('database')) as typeof database
const { ingest } = (await room('ingest')) as typeof loading

const db = connect(url)
const scope = await tenantScope(db, tenant)
const start = performance.now()
await ingest(scope, file)
const seconds = (performance.now() - start) / 1000
await db.destroy()
console.log(JSON.stringify({ megabytes: (await peakKilobytes()) / 1024, seconds }))

/**
 * Linux hands the parent's peak on in `maxRSS`, through fork and exec; the peak of this program
 * alone is in /proc.
 */
async function peakKilobytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS)
}
