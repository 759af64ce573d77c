import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'
import { moveClocks } from './test/support/moment/moment.ts'

await moveClocks()

const everywhere = {
  // Files one after another in one process: what they import is loaded once, and a database in process is compiled once and starts in half the time.
  isolate: false,
}

/** Where processes that the tests start find our TypeScript ready to run, which else takes half of such a process's time. */
const compiled = { NODE_COMPILE_CACHE: resolve('.cache/compiled') }

/**
 * A leg's files run beside each other; those of legs and of the tests without one, group after
 * group.
 */
const leg = (name: string, { order, workers }: { order: number; workers: number }) => ({
  test: {
    name,
    sequence: { groupOrder: order },
    maxWorkers: workers,
    include: ['test/integration/**/*.test.ts'],
    globalSetup: ['test/support/legSetup.ts'],
    env: { ...compiled, PGVANTAGE_LEG: name },
    provide: { legName: name },
    ...everywhere,
    testTimeout: 120_000,
    hookTimeout: 180_000,
  },
})

export default defineConfig({
  test: {
    reporters: [
      'default',
      ['json', { outputFile: process.env.PGVANTAGE_TEST_REPORT ?? '.cache/vitest.json' }],
      './test/support/legReporter.ts',
    ],
    maxWorkers: 2,
    projects: [
      {
        test: {
          name: 'unit',
          include: ['test/unit/**/*.test.ts'],
          typecheck: { enabled: false },
          ...everywhere,
          env: compiled,
          testTimeout: 60_000,
        },
      },
      leg('embedded', { order: 2, workers: 2 }),
      leg('community', { order: 1, workers: 2 }),
      // Its tests wait for a server, for locks and for what is killed: a third keeps two cores
      // busy.
      leg('server', { order: 3, workers: 3 }),
    ],
  },
})
