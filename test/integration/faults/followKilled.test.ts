import { spawn } from 'node:child_process'
import { appendFile, copyFile, mkdtemp, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/index.ts'
import { ingest } from '../../../src/ingest/index.ts'
import { chaos } from '../../support/chaos/chaos.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { everything } from './everything.ts'
import { asLines, recording } from './recording.ts'

const main = fileURLToPath(new URL('../../../src/cli/main.ts', import.meta.url))

describe.skipIf(!leg.available || !leg.concurrent)('following in a process of its own', () => {
  let test: TestDatabase
  let folder: string
  beforeAll(async () => {
    test = await freshDatabase()
    folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  })
  afterAll(async () => {
    await test.close()
    await rm(folder, { recursive: true })
  })

  function follow(names: string, code: string, ...options: string[]) {
    const child = spawn(process.execPath, [main, 'ingest', '--follow', names, '--tenant', code, '--database', test.url!, ...options])
    let [out, err] = ['', '']
    child.stdout.on('data', (chunk: Buffer) => (out += chunk.toString()))
    child.stderr.on('data', (chunk: Buffer) => (err += chunk.toString()))
    const { promise: ended, resolve, reject } = Promise.withResolvers<{ code: number | null; out: string; err: string }>()
    child.on('error', reject)
    child.on('close', (exit) => resolve({ code: exit, out, err }))
    return {
      ended,
      kill: (signal: NodeJS.Signals) => child.kill(signal),
      said: async (text: string) => {
        for (let look = 0; look < 3000 && !err.includes(text); look += 1) await setTimeout(10)
        if (!err.includes(text)) throw new Error(`it did not say ${text}: ${err}`)
      },
    }
  }
  const rowsOf = async (scope: Scope) => {
    const { metrics, calls, patterns, counts } = await everything(scope)
    const bare = (rows: readonly unknown[]) => rows.map((row) => ({ ...(row as object), sample: null }))
    return { metrics, patterns, calls: bare(calls), counts: bare(counts) }
  }
  /** How much of all files has been read and written. */
  const written = async ({ tenantId }: Scope) => {
    const { rows } = await sql<{ position: number }>`
      select coalesce(sum(position), 0)::float8 as position from ingest_file where tenant_id = ${tenantId}
    `.execute(test.db)
    return rows[0]!.position
  }

  it('killed at any moment while files grow and rotate, and then run on, leaves the rows of one clean run', async () => {
    const scope = await tenant(test.db, 'killed')
    const { kills, random } = chaos('following killed', 4)
    const lines = asLines(recording({ minutes: 12 * (kills + 1) })).split(/(?<=\n)/)
    const log = join(folder, 'app.jsonl')
    let rotated = 0
    const rotate = async () => {
      const old = `${log}.${++rotated}`
      if (rotated % 2 === 1) await rename(log, old)
      else {
        await copyFile(log, old)
        await truncate(log)
      }
    }
    const share = Math.ceil(lines.length / (kills + 1))
    let bytes = 0
    for (let kill = 0; kill <= kills; kill += 1) {
      const follower = follow(`${log}*`, 'killed')
      const mine = lines.slice(kill * share, (kill + 1) * share)
      const ends = kill === kills ? undefined : setTimeout(300 + random() * 2500).then(() => follower.kill('SIGKILL'))
      for (let at = 0; at < mine.length; at += 40) {
        const text = mine.slice(at, at + 40).join('')
        const half = Math.floor(random() * text.length)
        await appendFile(log, text.slice(0, half))
        await setTimeout(random() * 40)
        await appendFile(log, text.slice(half))
        bytes += Buffer.byteLength(text)
        if (random() < 0.1) await rotate()
      }
      await ends
      if (kill < kills) {
        expect(await follower.ended).toMatchObject({ code: null })
        continue
      }
      for (let look = 0; look < 600 && (await written(scope)) < bytes; look += 1) await setTimeout(50)
      follower.kill('SIGTERM')
      expect(await follower.ended).toMatchObject({ code: 0, out: expect.stringContaining('nothing is left to read') })
    }
    expect(await written(scope)).toBe(bytes)
    const reference = await tenant(test.db, 'clean')
    await ingest(
      reference,
      (async function* () {
        yield lines.join('')
      })(),
    )
    expect(await rowsOf(scope)).toEqual(await rowsOf(reference))
  }, 120_000)

  it('waits for another one that follows the same file, and ends by a signal while it waits', async () => {
    const log = join(folder, 'shared.jsonl')
    await writeFile(log, asLines(recording({ minutes: 2 })))
    await tenant(test.db, 'shared')
    const one = follow(log, 'shared')
    await one.said('is followed from its beginning')
    const two = follow(log, 'shared')
    await two.said('is followed by another process')
    const three = follow(log, 'shared')
    await three.said('is followed by another process')
    three.kill('SIGINT')
    expect(await three.ended).toMatchObject({ code: 0 })
    one.kill('SIGKILL')
    await one.ended
    await two.said('is followed from ')
    two.kill('SIGTERM')
    expect(await two.ended).toMatchObject({ code: 0 })
  })
})
