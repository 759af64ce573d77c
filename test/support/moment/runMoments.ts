// node test/support/moment/runMoments.ts: runs the tests that look at the clock at each of the moments, two runs at a time.
//
// What vitest says of a run is printed when it is done, and its report is left in .cache/moments.
import { spawn } from 'node:child_process'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { clockTests, longClockTests, moments, zoneTests, type Moment } from './moments.ts'

interface Run {
  moment: Moment
  on: 'in process' | 'server'
  legs: readonly string[]
  tests: readonly string[]
}

const vitest = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url))
const reports = '.cache/moments'
/** What an empty database is made of does not hang on the moment it is made. */
const images = '.cache/moment-images'
const failed: string[] = []

// The longest first, so that none is left to be waited for.
const runs = [
  ...moments
    .filter(({ server }) => server)
    .map((moment): Run => ({ moment, on: 'server', legs: ['server'], tests: [...clockTests, ...longClockTests] })),
  ...moments.map((moment): Run => ({
    moment,
    on: 'in process',
    legs: ['unit', 'embedded', 'community'],
    tests: [...clockTests, ...(moment.zone === 'UTC' ? [] : zoneTests)],
  })),
]

async function carryOut({ moment: { name, now, zone }, on, legs, tests }: Run): Promise<void> {
  const began = performance.now()
  const report = `${reports}/${now.replaceAll(':', '')}-${on.replace(' ', '-')}.json`
  const child = spawn(process.execPath, [vitest, 'run', '--maxWorkers=1', ...legs.map((leg) => `--project=${leg}`), ...tests], {
    env: {
      ...process.env,
      PGVANTAGE_TEST_NOW: now,
      TZ: zone,
      PGVANTAGE_TEST_IMAGES: images,
      PGVANTAGE_TEST_REPORT: report,
    },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject))
  const [said, complained, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  const what = `${now}, ${name}, ${on}`
  const ok = status === 0 && (await passed(report)) > 0
  if (!ok) failed.push(what)
  const seconds = Math.round((performance.now() - began) / 1000)
  console.log(`\n-- ${what}: ${seconds} s, ${ok ? 'ok' : `FAILED (${status})`}\n${said}${complained}`)
}

/** How many tests a run says have passed; none where it has left no report, however it ended. */
async function passed(report: string): Promise<number> {
  const said: { numPassedTests: number } = JSON.parse(await readFile(report, 'utf8').catch(() => '{ "numPassedTests": 0 }'))
  return said.numPassedTests
}

for (const folder of [reports, images]) await rm(folder, { recursive: true, force: true })
await mkdir(reports, { recursive: true })
await Promise.all(
  [1, 2].map(async () => {
    for (let next = runs.shift(); next !== undefined; next = runs.shift()) await carryOut(next)
  }),
)
await rm(images, { recursive: true, force: true })
for (const what of failed) console.log(`failed at ${what}`)
if (failed.length > 0) process.exitCode = 1
