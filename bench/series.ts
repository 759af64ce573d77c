import { isDeepStrictEqual } from 'node:util'
import { type CompiledQuery, type Kysely } from 'kysely'
import type { TimeRange } from '../src/database/range.ts'
import { tenantScope } from '../src/database/scope.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { coarseShapes } from './coarseShapes.ts'
import { cpuMetrics, createHosts, fillMinutes, rollHours, settle, withoutIndexes } from './seriesData.ts'
import { seriesShapes, type Shape } from './seriesShapes.ts'
import { newTenant, openTarget, seconds } from './target.ts'

const day = 86_400_000
const now = new Date(Date.UTC(2026, 10, 1))
const hosts = 100
/** Of the metric that is there for a month, the hosts that have it. */
const monthlyHosts = 10
const pairs = 15

/**
 * The query shapes of TSBS's devops workload, by our functions and by hand, over minutes of 100 hosts with ten metrics each: ten million rows on a server, one in this
 * process (or `--rows`). Beside them ten hosts have another metric for a month, which is read from the hours and, by hand, from the minutes.
 *
 * Before it is measured each question is asked both ways, and the answers are compared. A pair is the same number of executions of both, by turns, of statements
 * that are compiled already; a figure is the median of 15 ratios, time of ours by time by hand.
 */
export async function* series({ url, rows = url === undefined ? 1_000_000 : 10_000_000 }: BenchmarkOptions): AsyncGenerator<Figure> {
  const { db, close } = await openTarget(url)
  try {
    const scope = await newTenant(db)
    const until = (length: number): TimeRange => ({ from: new Date(now.getTime() - length), to: now })
    const load = await seconds(async () => {
      await createHosts(scope, hosts)
      await withoutIndexes(scope, 'metric_1m', async () => {
        await fillMinutes(scope, { hosts: monthlyHosts, metrics: ['system.load'], range: until(31 * day) })
        await fillMinutes(scope, { hosts, metrics: cpuMetrics, range: until(Math.ceil(rows / hosts / cpuMetrics.length) * 60_000) })
      })
    })
    yield { figure: 'series.load', value: load, unit: 's' }
    yield { figure: 'series.roll_up', value: await seconds(() => rollHours(scope, now)), unit: 's' }
    await settle(db)

    // The scope knows how far the hours have come as of when it was made.
    const rolled = await tenantScope(db, scope.tenantCode)
    let worst = 0
    for (const [name, shape] of Object.entries(seriesShapes(rolled, now))) {
      const ratio = await ratioOf(rolled.db, name, shape)
      worst = Math.max(worst, ratio)
      yield { figure: `series.vs_sql.${name}`, value: ratio, unit: 'x' }
    }
    yield { figure: 'series.vs_sql', value: worst, unit: 'x' }

    let slowest = Infinity
    for (const [name, shape] of Object.entries(coarseShapes(rolled, 'system.load', monthlyHosts, until(31 * day)))) {
      const speedup = 1 / (await ratioOf(rolled.db, name, shape))
      slowest = Math.min(slowest, speedup)
      yield { figure: `series.coarse_speedup.${name}`, value: speedup, unit: 'x' }
    }
    yield { figure: 'series.coarse_speedup', value: slowest, unit: 'x' }
  } finally {
    await close()
  }
}

async function ratioOf(db: Kysely<{}>, name: string, { ours, byHand }: Shape): Promise<number> {
  const statements = [ours.compile(), byHand.compile(db)] as const
  const [mine, theirs] = [await answer(db, statements[0]), await answer(db, statements[1])]
  if (mine.length === 0 || !isDeepStrictEqual(mine, theirs))
    throw new Error(`${name}: ${mine.length} rows of ours are not the ${theirs.length} by hand`)
  const runs = async (statement: CompiledQuery, times: number) => {
    for (let run = 0; run < times; run++) await db.executeQuery(statement)
  }
  // Short statements several times, so that a pair is long enough to be told from noise.
  const once = await seconds(() => runs(statements[1], 3))
  const times = Math.min(50, Math.max(1, Math.round(0.15 / (once / 3))))
  const ratios: number[] = []
  for (let pair = 0; pair < pairs; pair++) {
    const spent = [0, 0]
    for (let run = 0; run < times; run++) {
      for (const at of (pair + run) % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
        spent[at]! += await seconds(() => runs(statements[at], 1))
    }
    ratios.push(spent[0]! / spent[1]!)
  }
  return ratios.toSorted((a, b) => a - b)[Math.floor(pairs / 2)]!
}

/** Rows with numbers as far as the order in which they are added up does not show. */
async function answer(db: Kysely<{}>, statement: CompiledQuery): Promise<unknown[]> {
  const { rows } = await db.executeQuery<Record<string, unknown>>(statement)
  return rows.map((row) => ({ ...row, value: typeof row.value === 'number' ? row.value.toPrecision(12) : row.value }))
}
