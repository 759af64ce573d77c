import { randomUUID } from 'node:crypto'
import { sql } from 'kysely'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/database/connection/connect.ts'
import { createWriter, ingest, rollUp, type IngestWindow } from '../../../src/ingest/index.ts'
import { migrateUp } from '../../../src/operate/migrate/migrate.ts'
import type { Scope } from '../../../src/database/scope.ts'
import { freshDatabase, leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { smallDisk, type SmallDisk } from '../../support/smallDisk.ts'
import { all, requests } from '../../unit/ingest/telemetry.ts'
import { everything } from './everything.ts'
import { asLines, recording } from './recording.ts'

describe.skipIf(!leg.available || !leg.concurrent)('a full disk', () => {
  let test: TestDatabase
  let disk: SmallDisk | { missing: string }
  let db: ReturnType<typeof connect>
  const name = `full_${randomUUID().replaceAll('-', '')}`
  let windows: IngestWindow[]
  const payloads = recording({ minutes: 60 })
  async function* lines() {
    yield asLines(payloads)
  }
  beforeAll(async () => {
    test = await freshDatabase()
    disk = await smallDisk(test.db, 128)
    if ('missing' in disk) return
    await sql`create database ${sql.id(name)} tablespace ${sql.id(disk.tablespace)}`.execute(test.db)
    const url = new URL(test.url!)
    url.pathname = `/${name}`
    db = connect(url.href)
    await migrateUp(db)
    windows = await all(rollUp(requests(payloads)))
  }, 120_000)
  afterAll(async () => {
    await db?.destroy()
    if (!('missing' in disk)) {
      await sql`drop database if exists ${sql.id(name)} with (force)`.execute(test.db)
      await disk.stop()
    }
    await test.close()
  })

  async function written(scope: Scope) {
    await using writer = createWriter(scope)
    for (const window of windows) await writer.write(window)
    await writer.close()
  }

  it('stops a load, and afterwards run again it leaves the rows of one clean run', async ({ skip }) => {
    if ('missing' in disk) {
      console.warn(`a full disk was not tried: ${disk.missing}`)
      skip()
      return
    }
    const stopped: Record<string, number> = { writing: 0, loading: 0 }
    // Those of them that had written some windows.
    const midway: Record<string, number> = { writing: 0, loading: 0 }
    const ways = { writing: written, loading: (scope: Scope) => ingest(scope, lines(), { origin: { objectBucket: 'b', objectKey: 'k' } }) }
    for (const [way, load] of Object.entries(ways)) {
      const reference = await tenant(db, `${way}-clean`)
      await load(reference)
      const rows = await everything(reference)
      // From a disk on which nothing fits to one that is full in the last window.
      for (const kilobytes of [0, 32, 64, 128, 192, 256, 384]) {
        const scope = await tenant(db, `${way}-${kilobytes}`)
        await disk.leave(kilobytes * 1024)
        const error: unknown = await load(scope).then(
          () => null,
          (failure: unknown) => failure,
        )
        if (error !== null) {
          stopped[way]! += 1
          const { code, cause } = error as { code: string; cause?: { code: string } }
          expect(code === 'NOT_WRITTEN' ? cause!.code : code).toBe('53100')
          if ((await everything(scope)).calls.length > 0) midway[way]! += 1
        }
        await disk.free()
        await load(scope)
        expect(await everything(scope)).toEqual(rows)
      }
    }
    for (const way of Object.keys(ways)) {
      expect(stopped[way]).toBeGreaterThan(1)
      expect(midway[way]).toBeGreaterThan(0)
    }
  }, 240_000)
})
