import { execFile } from 'node:child_process'
import { access, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { sql } from 'kysely'
import { ingest } from '../src/ingest/ingest.ts'
import { readOtlp } from '../src/ingest/sources/readOtlp.ts'
import { rollUp } from '../src/ingest/rollUp.ts'
import type { IngestWindow } from '../src/ingest/rollups/windows/ingestWindow.ts'
import { writeRollups } from '../src/ingest/writer/writeRollups.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { mockTelemetry } from './mockTelemetry.ts'
import { insertRowByRow } from './rowByRow.ts'
import { newTenant, openTarget, seconds } from './target.ts'

/**
 * Telemetry in: the recorded incident (or the `*.jsonl.gz` named incident in the data folder) end to end against row-by-row inserts of the same
 * rows, a minute of the mock volume from records to committed rows, and the peak memory of a long load in a process of its own.
 */
export async function* load({ data, url }: BenchmarkOptions): AsyncGenerator<Figure> {
  const recording = join(data ?? fileURLToPath(new URL('../examples/shop/recordings', import.meta.url)), 'incident.jsonl.gz')
  await access(recording)
  const { db, close } = await openTarget(url)
  try {
    // Once for the caches, of the server and of the compiler.
    await ingest(await newTenant(db), Readable.from(mockTelemetry(minute)))

    const [setBased, rowByRow, written, inserted] = [await newTenant(db), await newTenant(db), await newTenant(db), await newTenant(db)]
    const fast = await seconds(() => ingest(setBased, recording))
    const slow = await seconds(async () => {
      for await (const window of rollUp(readOtlp(recording))) await insertRowByRow(rowByRow, window)
    })
    // The same without reading and rolling up, which both have to do.
    const windows: IngestWindow[] = []
    for await (const window of rollUp(readOtlp(recording))) windows.push(window)
    const fastWrite = await seconds(async () => {
      for (const window of windows) await writeRollups(written, window)
    })
    const slowWrite = await seconds(async () => {
      for (const window of windows) await insertRowByRow(inserted, window)
    })
    const { rows } = await sql<{ count: number }>`
      select (select count(*) from metric_1m where tenant_id = ${setBased.tenantId}) + (select count(*) from service_call_5m where tenant_id = ${setBased.tenantId})
        + (select count(*) from log_pattern_5m where tenant_id = ${setBased.tenantId})::float8 as count
    `.execute(db)
    yield { figure: 'load.incident', value: fast, unit: 's' }
    yield { figure: 'load.incident_rows', value: rows[0]!.count, unit: 'rows' }
    yield { figure: 'load.incident_row_by_row', value: slow, unit: 's' }
    yield { figure: 'load.speedup', value: slow / fast, unit: 'x' }
    yield { figure: 'load.write', value: fastWrite, unit: 's' }
    yield { figure: 'load.write_speedup', value: slowWrite / fastWrite, unit: 'x' }

    const runs: number[] = []
    for (let run = 0; run < 5; run++) {
      const scope = await newTenant(db)
      const lines = [...mockTelemetry(minute)]
      runs.push(await seconds(() => ingest(scope, Readable.from(lines))))
    }
    yield { figure: 'load.mock_minute', value: median(runs), unit: 's' }
  } finally {
    await close()
  }
  // In this process an embedded PostgreSQL would be most of the memory: without a server the child reads and rolls up, and does not write.
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  try {
    const file = join(folder, 'long.jsonl')
    await writeFile(file, mockTelemetry(long))
    const suffix = url === undefined ? '_without_writing' : ''
    // As `pgvantage ingest` runs, and as a service that tells V8 nothing runs: the difference is garbage that nobody hurried to collect.
    const command = await loadAlone(file, url, ['--semi-space-growth-factor=1'])
    yield { figure: `load.peak_memory${suffix}`, value: command.megabytes, unit: 'MB' }
    yield { figure: 'load.long_load', value: command.seconds, unit: 's' }
    const service = await loadAlone(file, url, [])
    yield { figure: `load.peak_memory_in_service${suffix}`, value: service.megabytes, unit: 'MB' }
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function loadAlone(file: string, url: string | undefined, flags: string[]): Promise<{ megabytes: number; seconds: number }> {
  const child = fileURLToPath(new URL('./loadMemory.ts', import.meta.url))
  const { stdout } = await promisify(execFile)(process.execPath, [...flags, child, file, ...(url === undefined ? [] : [url])])
  return JSON.parse(stdout) as { megabytes: number; seconds: number }
}

const minute = { logs: 5_000, spans: 1_000, points: 500, from: Date.UTC(2026, 0, 1), length: 60_000 }

const long = { logs: 100_000, spans: 20_000, points: 10_000, from: Date.UTC(2026, 0, 1), length: 20 * 60_000 }

const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
