/** Loads a file in a process of its own, and prints the most memory it ever held; `node loadMemory.ts FILE [URL]`. */
import { readFile } from 'node:fs/promises'
import { ingest } from '../src/ingest/ingest.ts'
import { readOtlp } from '../src/ingest/sources/readOtlp.ts'
import { rollUp } from '../src/ingest/rollUp.ts'
import { newTenant, openTarget, seconds } from './target.ts'

const [file, url] = process.argv.slice(2)

let duration: number
if (url === undefined) {
  duration = await seconds(async () => {
    for await (const window of rollUp(readOtlp(file!))) void window
  })
} else {
  const { db, close } = await openTarget(url)
  const scope = await newTenant(db)
  duration = await seconds(() => ingest(scope, file!))
  await close()
}
console.log(JSON.stringify({ megabytes: (await peakKilobytes()) / 1024, seconds: duration }))

/** Linux hands the parent's peak on in `maxRSS`, through fork and exec; the peak of this program alone is in /proc. */
async function peakKilobytes(): Promise<number> {
  const status = await readFile('/proc/self/status', 'utf8').catch(() => '')
  return Number(/^VmHWM:\s*(\d+) kB$/m.exec(status)?.[1] ?? process.resourceUsage().maxRSS)
}
