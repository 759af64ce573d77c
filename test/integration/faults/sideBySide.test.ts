import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { connect } from '../../../src/database/connection/connect.ts'
import { tenantScope, type Scope } from '../../../src/database/scope.ts'
import { sqlStateOf } from '../../../src/database/sqlState.ts'
import { createWriter, rollUp, type IngestWindow } from '../../../src/ingest/index.ts'
import { chaosFor } from '../../support/chaos/chaos.ts'
import { cleanDatabase } from '../../support/cleanDatabase.ts'
import { leg, tenant, type TestDatabase } from '../../support/leg.ts'
import { all, requests } from '../../unit/ingest/telemetry.ts'
import { everything } from './everything.ts'
import { recording } from './recording.ts'

const writers = 8

describe.skipIf(!leg.available || !leg.concurrent)('eight writers of shuffled, overlapping windows', () => {
  const { minutes, random } = chaosFor('eight writers')
  let test: TestDatabase
  let windows: IngestWindow[]
  let clean: Awaited<ReturnType<typeof everything>>
  beforeAll(async () => {
    test = await cleanDatabase()
    const narrow = await all(rollUp(requests(recording({ minutes: 30 }))))
    // Enough series for several statements, half of which the next window has too.
    const series = minutes > 0 ? 1_100 : 40
    windows = narrow.map((window, at) => ({
      ...window,
      metrics: [...window.metrics, ...Array.from({ length: series }, (_, index) => wide(window, index + (at * series) / 2)).flat()],
    }))
    const reference = await tenant(test.db, 'clean')
    await write(reference, windows, [])
    clean = await everything(reference)
  })
  afterAll(() => test.close())

  const wide = ({ from, metrics }: IngestWindow, index: number) =>
    Array.from({ length: 5 }, (_, minute) => ({
      ...metrics[index % metrics.length]!,
      bucket: new Date(from.getTime() + minute * 60_000),
      metric: `wide ${index}`,
      labels: {},
    }))

  /** @param states the SQLSTATE of what a window had to be tried again for. */
  async function write(scope: Scope, given: readonly IngestWindow[], states: (string | null)[]) {
    await using writer = createWriter(scope, { onRetry: (_, error) => states.push(sqlStateOf(error)) })
    for (const window of given) await writer.write(window)
    await writer.close()
  }

  const shuffled = <T>(items: readonly T[]): T[] =>
    items
      .map((item) => ({ item, at: random() }))
      .sort((a, b) => a.at - b.at)
      .map(({ item }) => item)

  it('never deadlock, and leave the rows of one', async () => {
    const end = performance.now() + minutes * 60_000
    const databases = Array.from({ length: writers }, () => connect({ connectionString: test.url!, max: 1 }))
    let rounds = 0
    try {
      do {
        const { tenantCode, ...rest } = await tenant(test.db, `t-${rounds}`)
        const states: (string | null)[] = []
        await Promise.all(
          databases.map(async (db, at) => {
            const order = shuffled(windows)
            // The first one writes all of them, the others each at least half.
            const some = order.slice(0, at === 0 ? order.length : Math.ceil(order.length * (0.5 + random() / 2)))
            await write(await tenantScope(db, tenantCode), some, states)
          }),
        )
        rounds += 1
        expect(states).toEqual([])
        expect(await everything({ tenantCode, ...rest })).toEqual(clean)
      } while (performance.now() < end)
    } finally {
      await Promise.all(databases.map((db) => db.destroy()))
    }
    console.log(`eight writers: ${rounds} times`)
  })
})
