import { readdir, readFile, rm } from 'node:fs/promises'
import Table from 'cli-table3'
import type { Reporter, TestModule } from 'vitest/node'
import { legFolder } from './legFolder.ts'

interface LegReport {
  name: string
  ran: boolean
  description: string
}

/**
 * Closes a test run with one table: which legs ran, on which versions, and how their tests ended;
 * with the files that took longest, and with the moment it began, to run it again at that.
 */
export default class LegReporter implements Reporter {
  readonly #began = new Date()

  async onTestRunEnd(modules: readonly TestModule[]): Promise<void> {
    const files = await readdir(legFolder).catch(() => [])
    const reports = await Promise.all(
      files
        .filter((file) => file.endsWith('.json'))
        .map(async (file): Promise<LegReport> => JSON.parse(await readFile(`${legFolder}/${file}`, 'utf8'))),
    )
    const table = new Table({
      head: ['leg', 'passed', 'failed', 'skipped', 'ran on'],
      style: { head: [] },
      wordWrap: true,
      colWidths: [12, 8, 8, 9, 100],
    })
    for (const { name, ran, description } of [
      { name: 'unit', ran: true, description: `Node.js ${process.version}, no server` },
      ...reports,
    ]) {
      const tests = modules.filter((module) => module.project.name === name).flatMap((module) => [...module.children.allTests()])
      const count = (state: string) => tests.filter((test) => test.result().state === state).length
      table.push([name, count('passed'), count('failed'), count('skipped'), ran ? description : `DID NOT RUN: ${description}`])
    }
    console.log(`\n${table.toString()}`)
    const slowest = modules.toSorted((one, other) => other.diagnostic().duration - one.diagnostic().duration).slice(0, 10)
    console.log(`The ${slowest.length} slowest files:`)
    for (const module of slowest) {
      const seconds = (module.diagnostic().duration / 1000).toFixed(1).padStart(7)
      console.log(`${seconds} s  ${module.project.name}  ${module.relativeModuleId}`)
    }
    const again = `PGVANTAGE_TEST_NOW=${this.#began.toISOString()} TZ=${Intl.DateTimeFormat().resolvedOptions().timeZone}`
    console.log(`This run began at ${this.#began.toISOString()}. To run tests at that moment again: ${again} npx vitest run FILE...`)
    await rm(legFolder, { recursive: true, force: true })
  }
}
