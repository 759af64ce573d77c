// npm run chaos [KILLS [SEED]]: the kill loops of the suite, with as many kills as one likes.
//
// A seed fixes when to kill; how far the other process has come by then differs a little from run to run.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const [kills = '50', seed = ''] = process.argv.slice(2)
if (!(Number.isInteger(Number(kills)) && Number(kills) > 0)) throw new Error(`KILLS must be a whole number above 0, got ${kills}`)
if (!Number.isInteger(Number(seed))) throw new Error(`SEED must be a whole number, got ${seed}`)

const vitest = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url))
const tests = ['killed', 'maintainKilled', 'writer'].map((name) => `test/integration/faults/${name}.test.ts`)
const timeout = 120_000 + 10_000 * Number(kills)
spawn(process.execPath, [vitest, 'run', '--project=server', '--disable-console-intercept=true', `--test-timeout=${timeout}`, ...tests], {
  env: {
    ...process.env,
    PGVANTAGE_REQUIRE_SERVER: '1',
    PGVANTAGE_CHAOS_KILLS: kills,
    PGVANTAGE_CHAOS_SEED: seed,
    PGVANTAGE_TEST_REPORT: '.cache/chaos.json',
  },
  stdio: 'inherit',
}).once('close', (status) => (process.exitCode = status ?? 1))
