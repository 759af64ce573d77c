// node test/support/moment/runMoments.ts [--all]: runs the tests that look at the clock at the moments of their legs (moments.ts), two runs at a time;
// with --all at every moment on every leg that can be moved to it, which takes three times as long.
//
// The legs in process go to their moments in one run each, since their clock is the process's own. A server is started at each of its moments.
// What vitest says of a run is printed when it is done, and its report is left in .cache/moments.
import { spawn } from 'node:child_process'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import {
  clockTests,
  legsInProcess,
  longClockTests,
  momentsOf,
  unitTestsOfTime,
  zoneTests,
  type LegOfMoment,
  type Moment,
} from './moments.ts'

interface Run {
  name: string
  leg: LegOfMoment
  tests: readonly string[]
  env: Record<string, string>
  /** Which part of the tests, as vitest's `--shard`. */
  part?: string
}

const vitest = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url))
const reports = '.cache/moments'
const failed: string[] = []
const all = process.argv.includes('--all')

const at = ({ now, zone }: Moment) => ({ PGVANTAGE_TEST_NOW: now, TZ: zone })

/** One run at each of the leg's moments. */
const runsAt = (leg: LegOfMoment, tests: readonly string[]) =>
  momentsOf(leg, { all }).map((moment): Run => ({ name: `${moment.now}, ${moment.name}, ${leg}`, leg, tests, env: at(moment) }))

// The longest first, so that none is left to be waited for; on a server by halves, since as a whole it takes as long as the others do.
const runs: Run[] = [
  ...legsInProcess.map((leg): Run => ({
    name: `${momentsOf(leg, { all }).length} moments, ${leg}`,
    leg,
    tests: [...clockTests, ...zoneTests],
    env: { PGVANTAGE_TEST_MOMENTS: all ? 'all' : 'chosen', TZ: 'UTC' },
  })),
  ...runsAt('server', [...clockTests, ...longClockTests]).flatMap((run) =>
    ['1/2', '2/2'].map((part): Run => ({ ...run, name: `${run.name} ${part}`, part })),
  ),
  ...runsAt('unit', unitTestsOfTime),
]

async function carryOut({ name, leg, tests, env, part = '1/1' }: Run): Promise<void> {
  const began = performance.now()
  const report = `${reports}/${name.replaceAll(/[^\w-]+/g, '-')}.json`
  const child = spawn(process.execPath, [vitest, 'run', '--maxWorkers=1', `--project=${leg}`, `--shard=${part}`, ...tests], {
    env: { ...process.env, ...env, PGVANTAGE_TEST_REPORT: report },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const ended = new Promise<number | null>((resolve, reject) => child.once('close', resolve).once('error', reject))
  const [said, complained, status] = await Promise.all([text(child.stdout), text(child.stderr), ended])
  const ok = status === 0 && (await passed(report)) > 0
  if (!ok) failed.push(name)
  const seconds = Math.round((performance.now() - began) / 1000)
  console.log(`\n-- ${name}: ${seconds} s, ${ok ? 'ok' : `FAILED (${status})`}\n${said}${complained}`)
}

/** How many tests a run says have passed; none where it has left no report, however it ended. */
async function passed(report: string): Promise<number> {
  const said: { numPassedTests: number } = JSON.parse(await readFile(report, 'utf8').catch(() => '{ "numPassedTests": 0 }'))
  return said.numPassedTests
}

await rm(reports, { recursive: true, force: true })
await mkdir(reports, { recursive: true })
await Promise.all(
  [1, 2].map(async () => {
    for (let next = runs.shift(); next !== undefined; next = runs.shift()) await carryOut(next)
  }),
)
for (const name of failed) console.log(`failed at ${name}`)
if (failed.length > 0) process.exitCode = 1
