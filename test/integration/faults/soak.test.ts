import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { mockTelemetry } from '../../../bench/mockTelemetry.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
const minutes = Number(process.env.PGVANTAGE_SOAK_MINUTES || 0)
/** Twenty times what the schema's source names for a minute, each second. */
const perSecond = { logs: (20 * 5_000) / 60, spans: (20 * 1_000) / 60, points: (20 * 500) / 60 }
/** The time that goes by: what is written must be of now. */
const clock = () => performance.timeOrigin + performance.now()

const horizonSeconds = 60
const windowSeconds = 300

/** `npm run chaos -- soak MINUTES` */
describe.skipIf(minutes === 0 || !leg.available || !leg.concurrent)('a soak', () => {
  let test: TestDatabase
  beforeAll(async () => {
    test = await freshDatabase()
  })
  afterAll(() => test.close())

  it('of telemetry as it happens is in the rows in time, in flat memory, and all of it', async () => {
    const { tenantId } = await tenant(test.db, 'soak')
    const options = ['--tenant', 'soak', '--database', test.url!, '--horizon', `${horizonSeconds} seconds`, '--json']
    const child = spawn(process.execPath, [main, 'ingest', '-', ...options])
    let [report, said] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (report += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (said += chunk.toString()))
    const ended = once(child, 'close')
    const lags: number[] = []
    const memory: number[] = []
    const sent = { logs: 0, spans: 0, points: 0 }
    const begin = clock()
    let watching = true
    const watch = async () => {
      while (watching) {
        await setTimeout(2_000)
        memory.push(await megabytesOf(child.pid!))
        const { rows } = await sql<{ until: Date | null }>`
          select max(bucket) + interval '1 minute' as until from metric_1m where tenant_id = ${tenantId}
        `.execute(test.db)
        lags.push((clock() - (rows[0]!.until?.getTime() ?? begin)) / 1_000)
      }
    }
    const watched = watch()
    const seconds = minutes * 60
    for (let second = 0; second < seconds && child.exitCode === null; second++) {
      const due = begin + (second + 1) * 1_000
      await setTimeout(Math.max(0, due - clock()))
      const volume = Object.fromEntries(
        Object.entries(perSecond).map(([kind, each]) => [kind, Math.floor(each * (second + 1)) - Math.floor(each * second)]),
      ) as typeof sent
      for (const kind of ['logs', 'spans', 'points'] as const) sent[kind] += volume[kind]
      for (const line of mockTelemetry({ ...volume, from: due - 1_000, length: 1_000, seed: second + 1 })) {
        if (!child.stdin.write(line)) await once(child.stdin, 'drain')
      }
    }
    // How long what came last had to wait at the door.
    const behind = (clock() - begin) / 1_000 - seconds
    watching = false
    await watched
    child.stdin.end()
    expect([await ended, said]).toEqual([[0, null], ''])
    const quarter = Math.floor(memory.length / 4)
    const [early, late] = [median(memory.slice(quarter, 2 * quarter)), median(memory.slice(3 * quarter))]
    const greatest = Math.max(...lags)
    console.log(
      `soak of ${minutes} minutes: ${JSON.stringify(sent)}, lag at most ${greatest.toFixed(0)} s, memory ${early.toFixed(0)} MB in the second quarter, ${late.toFixed(0)} MB in the last, ${Math.max(...memory).toFixed(0)} MB at most`,
    )
    expect(behind).toBeLessThan(windowSeconds)
    expect(greatest).toBeLessThan(horizonSeconds + windowSeconds)
    expect(late).toBeLessThan(1.15 * early)
    const { rows } = await sql<{ logs: number; points: number }>`
      select (select sum(count_total) from log_pattern_5m where tenant_id = ${tenantId})::float8 as logs,
        (select sum(sample_count) from metric_1m where tenant_id = ${tenantId})::float8 as points
    `.execute(test.db)
    const { records } = JSON.parse(report) as {
      records: Record<string, { read: number; rolledUp: number; duplicate: number; late: number }>
    }
    expect(records).toMatchObject({
      logs: { read: sent.logs, rolledUp: sent.logs, late: 0 },
      traces: { read: sent.spans, late: 0 },
      metrics: { read: sent.points, late: 0 },
    })
    // Two points of a series that have one time are one.
    expect(rows).toEqual([{ logs: sent.logs, points: records.metrics!.rolledUp }])
    expect(records.metrics!.rolledUp + records.metrics!.duplicate).toBe(sent.points)
  })
})

async function megabytesOf(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8').catch(() => '')
  return Number(/^VmRSS:\s*(\d+) kB$/m.exec(status)?.[1] ?? 0) / 1024
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0
