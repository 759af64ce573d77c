import { sql, type Kysely } from 'kysely'
import { Client } from 'pg'
import { ensureResources } from '../src/catalog/resources.ts'
import type { Scope } from '../src/database/scope.ts'
import { storedHistogram } from '../src/ingest/writer/storedHistogram.ts'
import type { IngestWindow, MetricRow } from '../src/ingest/rollups/windows/ingestWindow.ts'
import { writeRollups } from '../src/ingest/writer/writeRollups.ts'
import type { Figure } from './benchmark.ts'
import { copyIn, copyLine } from './copyIn.ts'
import { madeUpWindow, windowLength } from './madeUpWindow.ts'
import { insertRowByRow } from './rowByRow.ts'
import { newTenant, seconds } from './target.ts'

/**
 * Two hours of 2,000 series, 10,000 rows to a window; every window is written in each way before
 * the next one.
 */
const series = 2_000
const windows = 24
/** The slow ways write only these first ones. */
const writtenSlowly = 2

const columns = 'bucket, tenant_id, resource_id, metric, labels, unit, kind, avg_val, max_val, p95_val, sample_count, histogram'

/**
 * Windows with metrics written by `writeRollups`, for the first time and again, against a COPY of
 * the same rows straight into `metric_1m`, whose text is made before the clock starts; beside them
 * what one writes with Kysely, and row by row. Each way has its own tenant, and every window is
 * one transaction.
 */
export async function* writes(db: Kysely<{}>, url: string): AsyncGenerator<Figure> {
  const first = Math.floor(Date.now() / windowLength - windows) * windowLength
  const made = Array.from({ length: windows }, (_, at): IngestWindow => {
    return { ...madeUpWindow(first + at * windowLength, series), calls: [], patterns: [], locators: [] }
  })
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const scopes = { write: await newTenant(db), copy: await newTenant(db), kysely: await newTenant(db), byRow: await newTenant(db) }
    const ids = await ensureResources(scopes.copy, made[0]!.resources)
    const kyselyIds = await ensureResources(scopes.kysely, made[0]!.resources)
    const spent = { write: [], rewrite: [], copy: [], kysely: [], byRow: [] } as Record<
      'write' | 'rewrite' | 'copy' | 'kysely' | 'byRow',
      number[]
    >
    const copied = made.map(({ metrics }) => Buffer.from(metrics.map((row) => copyLine(valuesOf(row, scopes.copy, ids))).join('')))
    // Once for the caches, of the server and of the compiler.
    const warm = await newTenant(db)
    await writeRollups(warm, made[0]!)
    for (const [at, window] of made.entries()) {
      spent.copy.push(await seconds(() => copyIn(client, `copy metric_1m (${columns}) from stdin`, copied[at]!)))
      spent.write.push(await seconds(() => writeRollups(scopes.write, window)))
      spent.rewrite.push(await seconds(() => writeRollups(scopes.write, window)))
      if (at >= writtenSlowly) continue
      spent.kysely.push(await seconds(() => insertWithKysely(scopes.kysely, window.metrics, kyselyIds)))
      spent.byRow.push(await seconds(() => insertRowByRow(scopes.byRow, window)))
    }
    const each = (way: keyof typeof spent) => median(spent[way])
    const rate = (way: keyof typeof spent) => made[0]!.metrics.length / each(way)
    yield { figure: 'ingest.write.vs_copy', value: each('copy') / each('write'), unit: 'x' }
    yield { figure: 'ingest.rewrite.vs_copy', value: each('copy') / each('rewrite'), unit: 'x' }
    yield { figure: 'ingest.write', value: rate('write'), unit: 'rows/s' }
    yield { figure: 'ingest.rewrite', value: rate('rewrite'), unit: 'rows/s' }
    yield { figure: 'ingest.write.copy', value: rate('copy'), unit: 'rows/s' }
    yield { figure: 'ingest.write.kysely', value: rate('kysely'), unit: 'rows/s' }
    yield { figure: 'ingest.write.row_by_row', value: rate('byRow'), unit: 'rows/s' }
  } finally {
    await client.end()
  }
}

const valuesOf = (row: MetricRow, { tenantId }: Scope, ids: ReadonlyMap<string, string>) => [
  row.bucket,
  tenantId,
  ids.get(row.resource)!,
  row.metric,
  JSON.stringify(row.labels),
  row.unit,
  row.kind,
  row.avg,
  row.max,
  row.p95,
  row.sampleCount,
  storedHistogram(row.histogram),
]

/**
 * As one writes it with Kysely: as many rows to a statement as have room in its 65,535 parameters.
 */
async function insertWithKysely({ db, tenantId }: Scope, metrics: readonly MetricRow[], ids: ReadonlyMap<string, string>): Promise<void> {
  interface Tables {
    metric_1m: Record<
      | 'bucket'
      | 'tenant_id'
      | 'resource_id'
      | 'metric'
      | 'labels'
      | 'unit'
      | 'kind'
      | 'avg_val'
      | 'max_val'
      | 'p95_val'
      | 'sample_count'
      | 'histogram',
      unknown
    >
  }
  await (db as unknown as Kysely<Tables>).transaction().execute(async (trx) => {
    for (let at = 0; at < metrics.length; at += 5_000) {
      await trx
        .insertInto('metric_1m')
        .values(
          metrics.slice(at, at + 5_000).map((row) => ({
            bucket: row.bucket,
            tenant_id: tenantId,
            resource_id: ids.get(row.resource)!,
            metric: row.metric,
            labels: JSON.stringify(row.labels),
            unit: row.unit,
            kind: row.kind,
            avg_val: row.avg,
            max_val: row.max,
            p95_val: row.p95,
            sample_count: row.sampleCount,
            histogram: sql`${storedHistogram(row.histogram)}::bytea`,
          })),
        )
        .onConflict((conflict) =>
          conflict.columns(['series_id' as never, 'bucket']).doUpdateSet(({ ref }) => ({
            avg_val: ref('excluded.avg_val'),
            max_val: ref('excluded.max_val'),
            p95_val: ref('excluded.p95_val'),
            sample_count: ref('excluded.sample_count'),
            histogram: ref('excluded.histogram'),
          })),
        )
        .execute()
    }
  })
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
