import { sql, type Compilable } from 'kysely'
import type { Scope } from '../src/database/scope.ts'
import { movingQuantile } from '../src/series/algebra/movingQuantile.ts'
import { anomalies } from '../src/series/anomalies/anomalies.ts'
import type { SeriesFrame, SeriesRow } from '../src/series/seriesFrame.ts'
import type { Benchmark, Figure } from './benchmark.ts'
import { serverSeconds } from './serverSeconds.ts'
import { SortedWindow } from './sortedWindow.ts'
import { newTenant, openTarget, seconds } from './target.ts'

const rounds = 7

/**
 * Windows that move over a series of 100,000 minutes (or `--rows`), in the database and in memory.
 *
 * `vs_memory` is the time of the statement, with its rows counted on the server, without the time that the server takes to read the same points, by the
 * time of the same windows in TypeScript over arrays that are there already. Each is the quickest of seven, in turns; of a server on this machine the
 * CPU time counts, since its statements are longer than those in memory and others take turns with them. `.many` is the same over a thousand
 * series of a hundredth of the points each.
 */
export const moving: Benchmark = async function* ({ url, rows = 100_000 }) {
  const target = await openTarget(url)
  try {
    const scope = await newTenant(target.db)
    yield* measure(scope, 'moving', await keep(scope, 'one', 1, rows))
    yield* measure(scope, 'moving.many', await keep(scope, 'many', 1_000, Math.ceil(rows / 1_000)))
  } finally {
    await target.close()
  }
}

interface Kept {
  frame: SeriesFrame
  /** The values of each series in order of time. */
  series: Float64Array[]
}

/** Points of the benchmark's own, in a table that is gone with its database. */
async function keep(scope: Scope, name: string, series: number, each: number): Promise<Kept> {
  const table = sql.id(`moving_${name}`)
  await sql`
    create table ${table} as
    select 'urn:k8s:svc:moving/' || name as series, '2026-01-01Z'::timestamptz + minute * '1 minute'::interval as bucket,
      100 + 10 * sin(minute / 229.0) + random_normal(0, 5) + case when random() < 0.01 then 100 else 0 end as value
    from generate_series(1, ${series}::int4) as name cross join generate_series(1, ${each}::int4) as minute
  `.execute(scope.db)
  await sql`analyze ${table}`.execute(scope.db)
  const frame = scope.db.selectFrom(sql<SeriesRow>`${table}`.as('kept')).selectAll()
  const values = Map.groupBy(await frame.orderBy('series').orderBy('bucket').execute(), (row) => row.series)
  return { frame, series: [...values.values()].map((points) => Float64Array.from(points, ({ value }) => value!)) }
}

async function* measure(scope: Scope, prefix: string, { frame, series }: Kept): AsyncGenerator<Figure> {
  // Every score is above it but that of the expected value itself, so that the rows are about those of the frame.
  const robust = anomalies(scope, frame, { window: '1 hour', threshold: 0 })
  const questions: [string, Compilable, () => void][] = [
    ['robust_z', robust, () => series.forEach((values) => robustScores(values, 60))],
    ...[60, 1_440].map((points): [string, Compilable, () => void] => [
      `quantile_${points}`,
      movingQuantile(scope, frame, { q: 0.95, points }),
      () => series.forEach((values) => movedQuantiles(values, points, 0.95)),
    ]),
  ]
  for (const [name, query, inMemory] of questions) {
    let [server, reading, memory] = [Infinity, Infinity, Infinity]
    for (let round = 0; round < rounds; round++) {
      reading = Math.min(reading, await counted(scope, frame))
      server = Math.min(server, await counted(scope, query))
      memory = Math.min(memory, await seconds(async () => inMemory()))
    }
    yield { figure: `${prefix}.${name}.vs_memory`, value: (server - reading) / memory, unit: 'x' }
    yield { figure: `${prefix}.${name}.ms`, value: (server - reading) * 1000, unit: 'ms' }
    yield { figure: `${prefix}.${name}.memory.ms`, value: memory * 1000, unit: 'ms' }
  }
}

/** Seconds of the server for a statement whose rows stay there. */
async function counted(scope: Scope, query: Compilable): Promise<number> {
  const compiled = query.compile()
  const statement = { ...compiled, sql: `select count(*), count(answer.bucket) from (${compiled.sql} offset 0) as answer` }
  return serverSeconds(scope.db, (db) => db.executeQuery(statement))
}

/** The robust z-score of each value by the `length` values before it. */
function robustScores(values: Float64Array, length: number): Float64Array {
  const window = new SortedWindow(length)
  const scores = new Float64Array(values.length)
  for (let at = 0; at < values.length; at++) {
    if (window.size >= 5) {
      const expected = window.quantile(0.5)
      const spread = Math.max(1.4826 * window.medianDeviation(expected), 0.05 * Math.abs(expected))
      scores[at] = Math.abs(values[at]! - expected) / spread
    }
    if (at >= length) window.replace(values[at - length]!, values[at]!)
    else window.add(values[at]!)
  }
  return scores
}

function movedQuantiles(values: Float64Array, length: number, q: number): Float64Array {
  const window = new SortedWindow(length)
  return values.map((value, at) => {
    if (at >= length) window.replace(values[at - length]!, value)
    else window.add(value)
    return window.quantile(q)
  })
}
