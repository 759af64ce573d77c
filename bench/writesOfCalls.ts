import type { Kysely } from 'kysely'
import { Client } from 'pg'
import { ensureResources } from '../src/catalog/resources.ts'
import type { CallRow, IngestWindow } from '../src/ingest/rollups/windows/ingestWindow.ts'
import { storedHistogram } from '../src/ingest/writer/storedHistogram.ts'
import { writeLocators } from '../src/ingest/writer/writeLocators.ts'
import { writeRollups } from '../src/ingest/writer/writeRollups.ts'
import type { Figure } from './benchmark.ts'
import { copyIn, copyLine } from './copyIn.ts'
import { madeUpWindow, windowLength } from './madeUpWindow.ts'
import { newTenant, seconds } from './target.ts'

/** Two hours of 5,000 calls a window. */
const calls = 5_000
const windows = 24

const columns =
  'bucket, tenant_id, src_resource_id, dst_resource_id, rps, err_rate, p50_ms, p95_ms, sample_ref, call_count, error_count, histogram, callee_count, callee_p50_ms, callee_p95_ms, callee_histogram'

/**
 * Windows with calls written by `writeRollups`, for the first time and again, against a COPY of the
 * same rows straight into `service_call_5m`; and how many log patterns a second, of 50 texts.
 */
export async function* writesOfCalls(db: Kysely<{}>, url: string): AsyncGenerator<Figure> {
  const first = Math.floor(Date.now() / windowLength - windows) * windowLength
  const made = Array.from({ length: windows }, (_, at) => madeUpWindow(first + at * windowLength, calls))
  const only = (window: IngestWindow, rows: 'calls' | 'patterns'): IngestWindow => ({
    ...window,
    metrics: [],
    calls: [],
    patterns: [],
    [rows]: window[rows],
  })
  const client = new Client({ connectionString: url })
  await client.connect()
  try {
    const [write, copy, logs] = [await newTenant(db), await newTenant(db), await newTenant(db)]
    const ids = await ensureResources(copy, made[0]!.resources)
    const spent = { write: [], rewrite: [], copy: [], patterns: [] } as Record<'write' | 'rewrite' | 'copy' | 'patterns', number[]>
    // Once for the caches, of the server and of the compiler.
    await writeRollups(await newTenant(db), made[0]!)
    for (const window of made) {
      const locatorIds = await writeLocators(copy, new Map(window.locators.entries()))
      const valuesOf = (row: CallRow) => [
        row.bucket,
        copy.tenantId,
        ids.get(row.from)!,
        ids.get(row.to)!,
        row.rps,
        row.errRate,
        row.p50Ms,
        row.p95Ms,
        locatorIds.get(row.locator)!,
        row.callCount,
        row.errorCount,
        storedHistogram(row.histogram),
        row.calleeCount,
        row.calleeP50Ms,
        row.calleeP95Ms,
        storedHistogram(row.calleeHistogram),
      ]
      const bytes = Buffer.from(window.calls.map((row) => copyLine(valuesOf(row))).join(''))
      spent.copy.push(await seconds(() => copyIn(client, `copy service_call_5m (${columns}) from stdin`, bytes)))
      spent.write.push(await seconds(() => writeRollups(write, only(window, 'calls'))))
      spent.rewrite.push(await seconds(() => writeRollups(write, only(window, 'calls'))))
      spent.patterns.push(await seconds(() => writeRollups(logs, only(window, 'patterns'))))
    }
    const each = (way: keyof typeof spent) => median(spent[way])
    yield { figure: 'ingest.calls.vs_copy', value: each('copy') / each('write'), unit: 'x' }
    yield { figure: 'ingest.calls.rewrite.vs_copy', value: each('copy') / each('rewrite'), unit: 'x' }
    yield { figure: 'ingest.calls.write', value: calls / each('write'), unit: 'rows/s' }
    yield { figure: 'ingest.calls.rewrite', value: calls / each('rewrite'), unit: 'rows/s' }
    yield { figure: 'ingest.calls.copy', value: calls / each('copy'), unit: 'rows/s' }
    yield { figure: 'ingest.patterns.write', value: calls / each('patterns'), unit: 'rows/s' }
  } finally {
    await client.end()
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
