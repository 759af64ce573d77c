import { afterAll, beforeAll, beforeEach, expect, it } from 'vitest'
import type { Scope } from '../../../src/database/scope.ts'
import { createWriter, rollUp, writeRollups, type IngestWindow } from '../../../src/ingest/index.ts'
import { VantageError } from '../../../src/schema/errors.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { fillDisk } from '../../support/fillDisk.ts'
import { onEveryLeg, tenant, type TestDatabase } from '../../support/leg.ts'
import { all, requests } from '../../unit/ingest/telemetry.ts'
import { everything } from '../faults/everything.ts'
import { recording } from '../faults/recording.ts'

onEveryLeg('createWriter', () => {
  let test: TestDatabase
  let scope: Scope
  let windows: IngestWindow[]
  let tenants = 0
  beforeAll(async () => {
    test = await cleanDatabase()
    await fillDisk(test.db, 'log_pattern', `new.pattern = 'fill the disk'`)
    windows = await all(rollUp(requests(recording({ minutes: 15, services: ['web', 'cart'] }))))
  })
  beforeEach(async () => {
    scope = await tenant(test.db, `t-${++tenants}`)
  })
  afterAll(() => test.close())

  /** One that cannot be written. */
  const broken = (window: IngestWindow): IngestWindow => ({
    ...window,
    patterns: window.patterns.map((row) => ({ ...row, maskedLine: 'fill the disk' })),
  })

  it('writes what writeRollups writes, and reports the sums', async () => {
    const other = await tenant(test.db, `t-${++tenants}`)
    const each = await windows.reduce(
      async (before, window) => [...(await before), await writeRollups(other, window)],
      Promise.resolve<Awaited<ReturnType<typeof writeRollups>>[]>([]),
    )
    const metrics = each.reduce((sum, one) => sum + one.written.metrics, 0)
    const told: string[] = []
    await using writer = createWriter(scope, { onWritten: ({ from }) => told.push(from.toISOString()) })
    for (const window of windows) await writer.write(window)
    expect(await writer.flush()).toMatchObject({ windows: 3, retries: 0, written: { metrics }, unchanged: { metrics: 0 } })
    expect(told).toEqual(windows.map(({ from }) => from.toISOString()))
    expect(await everything(scope)).toEqual(await everything(other))
    for (const window of windows) await writer.write(window)
    expect(await writer.close()).toMatchObject({ windows: 6, written: { metrics }, unchanged: { metrics } })
    await expect(writer.write(windows[0]!)).rejects.toMatchObject({ code: 'CLOSED' })
  })

  it('takes no more windows than it may hold', async () => {
    let [taken, written, most] = [0, 0, 0]
    await using writer = createWriter(scope, { maxWindows: 1, onWritten: () => (written += 1) })
    const writing = [...windows, ...windows].map(async (window) => {
      await writer.write(window)
      taken += 1
      most = Math.max(most, taken - written)
    })
    await Promise.all(writing)
    // One is being written, one waits.
    expect(most).toBe(2)
    expect(await writer.close()).toMatchObject({ windows: 6 })
  })

  it('names the window that cannot be written, writes nothing of it, and nothing after it', async () => {
    const [first, second, third] = windows
    const before = await tenant(test.db, `t-${++tenants}`)
    await writeRollups(before, first!)
    const writer = createWriter(scope)
    await writer.write(first!)
    await writer.write(broken(second!))
    await writer.write(third!).catch(() => {})
    const error: unknown = await writer.flush().catch((failure: unknown) => failure)
    expect(error).toBeInstanceOf(VantageError)
    expect(error).toMatchObject({
      code: 'NOT_WRITTEN',
      message: expect.stringMatching(
        /^the window from 2026-01-01T12:05:00\.000Z to 2026-01-01T12:10:00\.000Z was not written, not even in part: the disk is full/,
      ),
      cause: { code: '53100' },
    })
    await expect(writer.write(third!)).rejects.toBe(error)
    await expect(writer.close()).rejects.toBe(error)
    expect(await everything(scope)).toEqual(await everything(before))
    // An error that was thrown once is not thrown again where the writer goes out of use.
    await writer[Symbol.asyncDispose]()
  })

  it('names what a window has instead of times, as one out of JSON', async () => {
    const writer = createWriter(scope)
    await writer.write(JSON.parse(JSON.stringify(windows[0])) as IngestWindow)
    await expect(writer.close()).rejects.toMatchObject({
      code: 'NOT_WRITTEN',
      message: expect.stringMatching(/^the window from "2026-01-01T12:00:00\.000Z" to .*: window\.from: must be a Date/),
    })
  })

  it('throws at the end of its block what nobody has been told', async () => {
    const block = async () => {
      await using writer = createWriter(scope)
      await writer.write(broken(windows[0]!))
    }
    await expect(block()).rejects.toMatchObject({ code: 'NOT_WRITTEN' })
  })

  it('stops when it is told to', async () => {
    const controller = new AbortController()
    const writer = createWriter(scope, { signal: controller.signal, onWritten: () => controller.abort(new Error('stopped')) })
    for (const window of windows) await writer.write(window).catch(() => {})
    await expect(writer.close()).rejects.toThrow('stopped')
  })

  it('counts the rows that are left out, over all windows', async () => {
    const flawed = windows.map((window) => ({ ...window, metrics: window.metrics.map((row) => ({ ...row, metric: `${row.metric}\0` })) }))
    const metrics = windows.reduce((sum, window) => sum + window.metrics.length, 0)
    await using writer = createWriter(scope)
    for (const window of flawed) await writer.write(window)
    expect(await writer.close()).toMatchObject({
      windows: 3,
      written: { metrics: 0 },
      rejected: { metrics, calls: 0 },
      rejections: [{ list: 'metrics', field: 'metric', rows: metrics, example: 'metrics[0].metric' }],
    })
  })

  it('ends with what onWritten throws, after the window that it was called for', async () => {
    const before = await tenant(test.db, `t-${++tenants}`)
    await writeRollups(before, windows[0]!)
    const error = new Error('no room for the note')
    const writer = createWriter(scope, {
      onWritten: () => {
        throw error
      },
    })
    for (const window of windows) await writer.write(window).catch(() => {})
    await expect(writer.flush()).rejects.toBe(error)
    await expect(writer.close()).rejects.toBe(error)
    expect(await everything(scope)).toEqual(await everything(before))
  })

  it("refuses a transaction's scope", async () => {
    const attempt = scope.db.transaction().execute(async (db) => createWriter({ ...scope, db }))
    await expect(attempt).rejects.toThrow("scope: must not be a transaction's")
  })
})
