import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import type { Kysely } from 'kysely'
import type { Figure } from './benchmark.ts'
import { buildPackage } from './builtPackage.ts'
import { mockTelemetry } from './mockTelemetry.ts'
import { newTenant } from './target.ts'

/** An hour of the volume that the schema's source names: longer than spans wait for each other. */
const hour = { logs: 300_000, spans: 60_000, points: 30_000, from: Date.UTC(2026, 0, 1), length: 60 * 60_000 }
const times = 20
const runs = 3

/**
 * The most memory of a service that imports the library and loads a file to rows, in a process of
 * its own: an hour of telemetry, and 20 hours. And the command, from its start to its end, against
 * the library in a service that has started, with the same hour.
 */
export async function* serviceMemory(db: Kysely<{}>, url: string): AsyncGenerator<Figure> {
  const built = await buildPackage()
  const folder = await mkdtemp(join(tmpdir(), 'pgvantage-'))
  try {
    const service = await built.program('service')
    const [once, often] = [join(folder, 'hour.jsonl'), join(folder, 'hours.jsonl')]
    await writeFile(once, mockTelemetry(hour))
    const load = async (file: string) => {
      const { tenantCode } = await newTenant(db)
      const { stdout } = await promisify(execFile)(process.execPath, [service, built.folder, url, tenantCode, file])
      return JSON.parse(stdout) as { megabytes: number; seconds: number }
    }
    const command = async () => {
      const { tenantCode } = await newTenant(db)
      const main = join(built.folder, 'dist', 'src', 'cli', 'main.js')
      const start = performance.now()
      await promisify(execFile)(process.execPath, [main, 'ingest', once, '--tenant', tenantCode, '--database', url, '--json'])
      return (performance.now() - start) / 1000
    }
    const [library, cli, peaks]: [number[], number[], number[]] = [[], [], []]
    for (let run = 0; run < runs; run++) {
      const { megabytes, seconds } = await load(once)
      library.push(seconds)
      peaks.push(megabytes)
      cli.push(await command())
    }
    const records = hour.logs + hour.spans + hour.points
    yield { figure: 'ingest.cli.vs_library', value: median(library) / median(cli), unit: 'x' }
    yield { figure: 'ingest.cli', value: records / median(cli), unit: 'records/s' }
    yield { figure: 'ingest.library', value: records / median(library), unit: 'records/s' }
    await writeFile(
      often,
      mockTelemetry({
        ...hour,
        logs: times * hour.logs,
        spans: times * hour.spans,
        points: times * hour.points,
        length: times * hour.length,
      }),
    )
    const { megabytes } = await load(often)
    yield { figure: 'ingest.memory.mb', value: megabytes, unit: 'MB' }
    yield { figure: 'ingest.memory.growth', value: megabytes / median(peaks), unit: 'x' }
  } finally {
    await rm(folder, { recursive: true })
    await built.remove()
  }
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
