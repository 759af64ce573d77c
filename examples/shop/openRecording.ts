import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdir, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { finished } from 'node:stream/promises'
import { constants, createGzip } from 'node:zlib'
import type { OtlpRequest } from './receiveOtlp.ts'

/** A recording being written. */
export interface Recording {
  /** Appends one export request as one line. */
  write(request: OtlpRequest): Promise<void>
  /** Finishes the file; only now it stands under its own name. */
  close(): Promise<void>
}

/**
 * Writes what the OpenTelemetry Collector's file exporter writes: OTLP/JSON, one export request a line, gzip.
 *
 * Until `close` the file is called `PATH.partial`, so half a recording is never taken for a whole one.
 *
 * @see https://github.com/open-telemetry/opentelemetry-collector-contrib/tree/main/exporter/fileexporter
 */
export async function openRecording(path: string): Promise<Recording> {
  const partial = `${path}.partial`
  await mkdir(dirname(path), { recursive: true })
  const gzip = createGzip({ level: constants.Z_BEST_COMPRESSION, memLevel: constants.Z_MAX_MEMLEVEL })
  const file = gzip.pipe(createWriteStream(partial))
  return {
    async write(request) {
      if (!gzip.write(`${JSON.stringify(request)}\n`)) await once(gzip, 'drain')
    },
    async close() {
      gzip.end()
      await finished(file)
      await rename(partial, path)
    },
  }
}
