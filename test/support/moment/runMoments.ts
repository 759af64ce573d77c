// node test/support/moment/runMoments.ts: runs the tests that look at the clock at each of the moments, two moments at a time.
//
// What vitest says of a moment is printed when it is done, and its report is left in .cache/moments.
import { spawn } from 'node:child_process'
import { mkdir, rm } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { moments, testsAt, type Moment } from './moments.ts'

const vitest = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url))
const reports = '.cache/moments'
const failed: Moment[] = []

async function runAt(moment: Moment): Promise<void> {
  const { name, now, zone, server } = moment
  const began = performance.now()
  const legs = ['unit', 'embedded', 'community', ...(server ? ['server'] : [])]
  const run = spawn(process.execPath, [vitest, 'run', '--maxWorkers=1', ...legs.map((leg) => `--project=${leg}`), ...testsAt(moment)], {
    env: { ...process.env, PGVANTAGE_TEST_NOW: now, TZ: zone, PGVANTAGE_TEST_REPORT: `${reports}/${now.replaceAll(':', '')}.json` },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => run.once('close', resolve).once('error', reject))
  const [said, complained, status] = await Promise.all([text(run.stdout), text(run.stderr), ended])
  if (status !== 0) failed.push(moment)
  const seconds = Math.round((performance.now() - began) / 1000)
  console.log(`\n-- ${now} (${name}): ${seconds} s, ${status === 0 ? 'ok' : 'FAILED'}\n${said}${complained}`)
}

await rm(reports, { recursive: true, force: true })
await mkdir(reports, { recursive: true })
// The longer ones first, so that neither of the two waits long for the other.
const left = moments.toSorted((a, b) => Number(b.server) - Number(a.server))
await Promise.all(
  [1, 2].map(async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await runAt(next)
  }),
)
for (const { now, name } of failed) console.log(`failed at ${now}: ${name}`)
if (failed.length > 0) process.exitCode = 1
