import { defineConfig } from 'vitest/config'
import { moveClocks } from './test/support/moment/moment.ts'

await moveClocks()

const leg = (name: string) => ({
  test: {
    name,
    include: ['test/integration/**/*.test.ts'],
    globalSetup: ['test/support/legSetup.ts'],
    env: { PGVANTAGE_LEG: name },
    provide: { legName: name },
    // Files one after another in one process: a database in process is compiled once, and starts
    // in half the time.
    isolate: false,
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
      { test: { name: 'unit', include: ['test/unit/**/*.test.ts'], typecheck: { enabled: false }, testTimeout: 60_000 } },
      leg('embedded'),
      leg('community'),
      leg('server'),
    ],
  },
})
