import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { mockTelemetry } from '../../../bench/mockTelemetry.ts'
import { ingest, type IngestOptions, type IngestReport } from '../../../src/ingest/index.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { everything } from '../faults/everything.ts'

/** More than what has no thread of its own. */
const lines = [...mockTelemetry({ logs: 5_000, spans: 2_000, points: 1_000, from: Date.UTC(2026, 0, 1), length: 12 * 60_000 })]
const damaged = [...lines.slice(0, 3), '{"resourceSpans": [\n', ...lines.slice(3)]

/** A function that is asked about each resource keeps a load in the thread of its caller. */
const here: IngestOptions = { resourceOf: () => undefined }

const dimensions: IngestOptions['dimensions'] = [{ dimension: '__proto__', from: 'thread', of: 'logs' }]

onEveryLeg('a large load, in a thread of its own', () => {
  let test: TestDatabase
  let folder: string
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
    folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  })
  afterAll(async () => {
    await rm(folder, { recursive: true })
    await test.close()
  })
  const fresh = () => tenant(test.db, `t-${++tenants}`)
  const same = ({ journal, ...report }: IngestReport) => ({ ...report, journal: journal.windows })

  it('leaves the same rows, and gives the same report, as one in the thread of its caller', async () => {
    const [one, other, third] = [await fresh(), await fresh(), await fresh()]
    const told: string[] = []
    const windows: Date[] = []
    const origin = { objectBucket: 'b', objectKey: 'k' }
    const options: IngestOptions = { dimensions, origin, onMalformed: ({ line, reason }) => told.push(`${line} ${reason}`) }
    const expected = await ingest(one, Readable.from(damaged), { ...options, ...here })
    const report = await ingest(other, Readable.from(damaged), { ...options, onWindow: ({ from }) => windows.push(from) })
    expect(same(report)).toEqual(same(expected))
    expect(Object.getPrototypeOf(report.values)).toBeNull()
    expect(await everything(other)).toEqual(await everything(one))
    expect(told).toEqual([told[0], told[0]])
    expect(windows).toHaveLength(report.windows)
    const file = join(folder, 'k')
    await writeFile(file, damaged)
    await ingest(third, file, { dimensions, origin })
    expect(await everything(third)).toEqual(await everything(one))
    // The same again, of which the journal knows every request.
    const again = await ingest(third, file, { dimensions, origin })
    expect(again.records.logs).toMatchObject({ read: 5_000, duplicate: 5_000 })
    expect(await everything(third)).toEqual(await everything(one))
  })

  it('ends with what its source, a callback or an option threw', async () => {
    const scope = await fresh()
    const broken = new Error('the source broke')
    async function* source() {
      yield* lines
      throw broken
    }
    await expect(ingest(scope, source())).rejects.toBe(broken)
    const refused = () => {
      throw broken
    }
    await expect(ingest(scope, Readable.from(damaged), { onMalformed: refused })).rejects.toBe(broken)
    await expect(ingest(scope, Readable.from(lines), { text: { service: 's', header: '<' } })).rejects.toMatchObject({
      code: 'INVALID_INPUT',
    })
  })

  it('ends with the reason of a signal, and a run again leaves the rows of a clean one', async () => {
    const [clean, scope] = [await fresh(), await fresh()]
    await ingest(clean, Readable.from(lines))
    for (const after of [3, 12, 30]) {
      const controller = new AbortController()
      const stop = new Error('stop')
      let given = 0
      async function* source() {
        for (const line of lines) {
          if (++given === after) setTimeout(() => controller.abort(stop), 5)
          yield line
        }
      }
      await ingest(scope, source(), { signal: controller.signal }).catch((error: unknown) => expect(error).toBe(stop))
    }
    await ingest(scope, Readable.from(lines))
    expect(await everything(scope)).toEqual(await everything(clean))
  })

  it('stays with its caller in a transaction', async () => {
    const [one, other] = [await fresh(), await fresh()]
    await ingest(one, Readable.from(lines))
    await test.db.transaction().execute((trx) => ingest({ ...other, db: trx }, Readable.from(lines)))
    expect(await everything(other)).toEqual(await everything(one))
  })

  it('keeps apart what several do at once', async () => {
    const scopes = await Promise.all([fresh(), fresh(), fresh(), fresh()])
    await Promise.all(scopes.map((scope) => ingest(scope, Readable.from(lines))))
    const [first, ...others] = await Promise.all(scopes.map((scope) => everything(scope)))
    for (const other of others) expect(other).toEqual(first)
  })
})
