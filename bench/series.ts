import { isDeepStrictEqual } from 'node:util'
import { type CompiledQuery, type Kysely } from 'kysely'
import type { TimeRange } from '../src/database/range.ts'
import { tenantScope } from '../src/database/scope.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { coarseShapes } from './coarseShapes.ts'
import { cpuMetrics, createHosts, fillMinutes, rollHours, settle, withoutIndexes } from './seriesData.ts'
import { composedShapes, seriesShapes, type Shape } from './seriesShapes.ts'
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
 * Before it is measured each question is asked both ways, and the answers are compared. A pair is the quickest of some executions of each, by turns, of
 * statements that are compiled already; a figure is the median of 15 ratios, time of ours by time by hand. `series.vs_sql` is the worst of TSBS's shapes; what
 * several functions put together cost beside them is given apart. `series.coarse_speedup` is of a month of ten hosts as one line; where rows of each
 * host are asked for, bringing them here is most of what is left.
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
      const { ratio } = await compare(rolled.db, name, shape)
      worst = Math.max(worst, ratio)
      yield { figure: `series.vs_sql.${name}`, value: ratio, unit: 'x' }
    }
    yield { figure: 'series.vs_sql', value: worst, unit: 'x' }
    for (const [name, shape] of Object.entries(composedShapes(rolled, now))) {
      yield { figure: `series.composed_vs_sql.${name}`, value: (await compare(rolled.db, name, shape)).ratio, unit: 'x' }
    }

    for (const [name, shape] of Object.entries(coarseShapes(rolled, 'system.load', monthlyHosts, until(31 * day)))) {
      const { ours, byHand } = await compare(rolled.db, name, shape)
      yield { figure: name === 'together' ? 'series.coarse_speedup' : `series.coarse_speedup.${name}`, value: byHand / ours, unit: 'x' }
    }
  } finally {
    await close()
  }
}

/** The medians of the pairs: of their ratio, ours by the other, and of the seconds that each takes. */
async function compare(db: Kysely<{}>, name: string, { ours, byHand }: Shape): Promise<{ ratio: number; ours: number; byHand: number }> {
  const statements = [ours.compile(), byHand.compile(db)] as const
  const [mine, theirs] = [await answer(db, statements[0]), await answer(db, statements[1])]
  if (mine.length === 0 || !isDeepStrictEqual(mine, theirs)) {
    throw new Error(`${name}: ${mine.length} rows of ours are not the ${theirs.length} by hand`)
  }
  const once = (side: 0 | 1) => seconds(() => db.executeQuery(statements[side]))
  // Several times each, the short ones more often, of which the quickest counts: what else the machine does is not what is measured.
  const times = Math.min(20, Math.max(3, Math.round(0.2 / (await once(1)))))
  const taken: [number, number][] = []
  for (let pair = 0; pair < pairs; pair++) {
    const quickest: [number, number] = [Infinity, Infinity]
    for (let run = 0; run < times; run++) {
      for (const side of (pair + run) % 2 === 0 ? ([0, 1] as const) : ([1, 0] as const))
        quickest[side] = Math.min(quickest[side], await once(side))
    }
    taken.push(quickest)
  }
  return {
    ratio: median(taken.map(([first, second]) => first / second)),
    ours: median(taken.map(([first]) => first)),
    byHand: median(taken.map(([, second]) => second)),
  }
}

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!

/** Rows with numbers as far as the order in which they are added up does not show. */
async function answer(db: Kysely<{}>, statement: CompiledQuery): Promise<unknown[]> {
  const { rows } = await db.executeQuery<Record<string, unknown>>(statement)
  return rows.map((row) => ({ ...row, value: typeof row.value === 'number' ? row.value.toPrecision(12) : row.value }))
}
