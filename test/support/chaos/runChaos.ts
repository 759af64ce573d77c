// npm run chaos [KILLS [SEED]]: the kill loops of the suite, with as many kills as one likes.
// npm run chaos -- writers MINUTES [SEED]: eight writers of shuffled, overlapping windows.
// npm run chaos -- soak MINUTES: 20 times the mock volume of the schema's source, as it happens.
//
// A seed fixes when to kill, and what is shuffled; how far the other process has come by then
// differs a little from run to run.
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'

const wholeAbove0 = (name: string, text: string): number => {
  if (Number.isInteger(Number(text)) && Number(text) > 0) return Number(text)
  throw new Error(`${name} must be a whole number above 0, got ${text}`)
}

const [first = '50', ...others] = process.argv.slice(2)
const mode = first === 'writers' || first === 'soak' ? first : 'kills'
const [amount, seed = ''] = mode === 'kills' ? [first, ...others] : [others[0] ?? '10', ...others.slice(1)]
if (!Number.isInteger(Number(seed))) throw new Error(`SEED must be a whole number, got ${seed}`)

const modes = {
  kills: () => {
    const kills = wholeAbove0('KILLS', amount)
    return {
      tests: ['killed', 'followKilled', 'maintainKilled', 'writer'],
      timeout: 120_000 + 10_000 * kills,
      env: { PGVANTAGE_CHAOS_KILLS: amount },
    }
  },
  writers: () => {
    const minutes = wholeAbove0('MINUTES', amount)
    return { tests: ['sideBySide'], timeout: 120_000 + 60_000 * minutes, env: { PGVANTAGE_CHAOS_MINUTES: amount } }
  },
  soak: () => {
    const minutes = wholeAbove0('MINUTES', amount)
    return { tests: ['soak'], timeout: 300_000 + 60_000 * minutes, env: { PGVANTAGE_SOAK_MINUTES: amount } }
  },
}
const { tests, timeout, env } = modes[mode]()

const vitest = fileURLToPath(new URL('../../../node_modules/vitest/vitest.mjs', import.meta.url))
const files = tests.map((name) => `test/integration/faults/${name}.test.ts`)
spawn(process.execPath, [vitest, 'run', '--project=server', '--disable-console-intercept=true', `--test-timeout=${timeout}`, ...files], {
  env: {
    ...process.env,
    PGVANTAGE_REQUIRE_SERVER: '1',
    PGVANTAGE_CHAOS_SEED: seed,
    PGVANTAGE_TEST_REPORT: '.cache/chaos.json',
    ...env,
  },
  stdio: 'inherit',
}).once('close', (status) => (process.exitCode = status ?? 1))
