import { spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/index.ts'
import { chaos } from '../../support/chaos/chaos.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { everything } from './everything.ts'
import { asLines, recording } from './recording.ts'

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))
/** Longer in `npm run chaos`, so that there is something left for each kill. */
const minutes = Math.max(100, 10 * Number(process.env.PGVANTAGE_CHAOS_KILLS ?? 0))
const windows = minutes / 5

describe.skipIf(!leg.available || !leg.concurrent)('loading in a process of its own', () => {
  let test: TestDatabase
  let folder: string
  let file: string
  let clean: Awaited<ReturnType<typeof everything>>
  beforeAll(async () => {
    test = await freshDatabase()
    folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
    file = join(folder, 'recording.jsonl')
    await writeFile(file, asLines(recording({ minutes })))
    const reference = await tenant(test.db, 'clean')
    const { code, err } = await load(file, 'clean').ended
    if (code !== 0) throw new Error(`loading ended with ${code}: ${err}`)
    clean = await everything(reference)
  })
  afterAll(async () => {
    await test.close()
    await rm(folder, { recursive: true })
  })

  function load(path: string, code: string, ...options: string[]) {
    const child = spawn(process.execPath, [main, 'ingest', path, '--tenant', code, '--database', test.url!, ...options])
    let err = ''
    child.stdout.resume()
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    const { promise: ended, resolve, reject } = Promise.withResolvers<{ code: number | null; signal: string | null; err: string }>()
    child.on('error', reject)
    child.on('close', (exit, signal) => resolve({ code: exit, signal, err }))
    return { ended, kill: () => child.kill('SIGKILL') }
  }

  const committed = async ({ tenantId }: Scope) => {
    const { rows } = await sql<{ windows: number }>`
      select count(distinct bucket)::int4 as windows from service_call_5m where tenant_id = ${tenantId}
    `.execute(test.db)
    return rows[0]!.windows
  }
  const until = async (done: () => Promise<boolean>) => {
    while (!(await done())) await new Promise((resolve) => setTimeout(resolve, 5))
  }

  it('killed at any moment, again and again, and then run to its end, leaves the rows of one clean run', async () => {
    const scope = await tenant(test.db, 'killed')
    expect(clean.counts.length).toBeGreaterThanOrEqual(windows)
    const { kills, random } = chaos('loading killed', 3)
    for (let kill = 0; kill < kills; kill++) {
      // Wherever it is: the windows before that are rewritten first, and each kill falls further in.
      const run = load(file, 'killed')
      const wanted = 1 + Math.floor(((kill + random()) / kills) * 0.7 * windows)
      let over: unknown
      void run.ended.then((end) => (over = end))
      await until(async () => over !== undefined || (await committed(scope)) >= wanted)
      expect(over).toBeUndefined()
      await new Promise((resolve) => setTimeout(resolve, random() * 20))
      run.kill()
      expect(await run.ended).toMatchObject({ code: null, signal: 'SIGKILL' })
      expect(await committed(scope)).toBeLessThan(windows)
    }
    expect(await load(file, 'killed').ended).toMatchObject({ code: 0 })
    expect(await everything(scope)).toEqual(clean)
  })

  it('by two processes at once leaves the rows of one', async () => {
    const scope = await tenant(test.db, 'twice')
    const runs = await Promise.all([load(file, 'twice').ended, load(file, 'twice').ended])
    expect(runs).toEqual([
      { code: 0, signal: null, err: '' },
      { code: 0, signal: null, err: '' },
    ])
    expect(await everything(scope)).toEqual(clean)
  })

  it('tells damaged lines by file and number, loads the rest, and is strict when asked', async () => {
    const damaged = join(folder, 'damaged.jsonl')
    const lines = asLines(recording({ minutes: 10 })).split('\n')
    await writeFile(damaged, [lines[0], '{"resourceSpans": 7}', ...lines.slice(1, 5), 'no JSON', '', ...lines.slice(5)].join('\n'))
    const scope = await tenant(test.db, 'damaged')
    const told = [`${damaged}:2: `, `${damaged}:7: `]
    for (const [options, code] of [
      [['--strict'], 3],
      [[], 0],
    ] as const) {
      const run = await load(damaged, 'damaged', ...options).ended
      expect(run.code).toBe(code)
      expect(
        run.err
          .trim()
          .split('\n')
          .map((line, at) => line.startsWith(told[at]!)),
      ).toEqual([true, true])
    }
    const whole = join(folder, 'whole.jsonl')
    await writeFile(whole, lines.join('\n'))
    const reference = await tenant(test.db, 'undamaged')
    expect(await load(whole, 'undamaged', '--strict').ended).toMatchObject({ code: 0, err: '' })
    const of = async (which: Scope) => {
      const { resources, metrics, patterns, counts, calls } = await everything(which)
      return { resources, metrics, patterns, counts: counts.length, calls: calls.length }
    }
    expect(await of(scope)).toEqual(await of(reference))
  })
})
