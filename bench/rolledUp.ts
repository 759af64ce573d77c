import { readFile } from 'node:fs/promises'
import { gunzipSync } from 'node:zlib'
import { emptyReport } from '../src/ingest/rollups/windows/rollUpReport.ts'
import { rollUp } from '../src/ingest/rollUp.ts'
import { readOtlp } from '../src/ingest/sources/readOtlp.ts'
import { decodedOf, delimited, protobufOf } from '../test/unit/ingest/otlpProtobuf.ts'
import type { Figure } from './benchmark.ts'

const signals = { spans: 'resourceSpans', points: 'resourceMetrics', logs: 'resourceLogs' } as const

/**
 * Bytes to windows, without a database, against no more than parsing the same bytes: `JSON.parse`
 * of each line, or decoding each message by protobufjs. CPU time, medians of alternate runs.
 */
export async function* rolledUp(recording: string): AsyncGenerator<Figure> {
  const lines = gunzipSync(await readFile(recording))
    .toString()
    .split('\n')
  for (const [signal, list] of Object.entries(signals)) {
    const requests = lines.filter((line) => line.startsWith(`{"${list}"`))
    const documents = requests.map((line) => JSON.parse(line) as object)
    const json = requests.map((line) => Buffer.from(`${line}\n`))
    const messages = documents.map(protobufOf)
    const records = (await roll(json)).records[signal === 'spans' ? 'traces' : signal === 'points' ? 'metrics' : 'logs'].read
    const inJson = await compare(
      () => roll(json),
      () => json.forEach((line) => JSON.parse(line.toString())),
    )
    const name = signal === 'spans' ? 'spans.json' : signal
    yield { figure: `ingest.${name}.vs_parse`, value: inJson.ours / inJson.bare, unit: 'x' }
    yield { figure: `ingest.${name}.per_s`, value: records / inJson.ours, unit: `${signal}/s` }
    const stream = messages.map(delimited)
    const inProtobuf = await compare(
      () => roll(stream),
      () => messages.forEach((message) => decodedOf(list, message)),
    )
    yield { figure: `ingest.${signal}.protobuf.vs_decode`, value: inProtobuf.ours / inProtobuf.bare, unit: 'x' }
    yield { figure: `ingest.${signal}.protobuf.per_s`, value: records / inProtobuf.ours, unit: `${signal}/s` }
  }
}

/** As much as a file gives at a time. */
const chunkBytes = 64 * 1024

async function* chunks(pieces: readonly Buffer[]): AsyncGenerator<Buffer> {
  const all = Buffer.concat(pieces)
  for (let at = 0; at < all.length; at += chunkBytes) yield all.subarray(at, at + chunkBytes)
}

async function roll(pieces: readonly Buffer[]) {
  const report = emptyReport()
  for await (const _ of rollUp(readOtlp(chunks(pieces)), { report }));
  return report
}

/** As in a service that has run for some seconds: until then the compiler is at work. */
const warmUps = 5
const runs = 5

async function compare(ours: () => unknown, bare: () => unknown): Promise<{ ours: number; bare: number }> {
  const [one, other]: [number[], number[]] = [[], []]
  for (let run = -warmUps; run < runs; run++) {
    const [mine, its] = [await cpuSeconds(ours), await cpuSeconds(bare)]
    if (run < 0) continue
    one.push(mine)
    other.push(its)
  }
  return { ours: median(one), bare: median(other) }
}

async function cpuSeconds(work: () => unknown): Promise<number> {
  const before = process.cpuUsage()
  await work()
  const { user, system } = process.cpuUsage(before)
  return (user + system) / 1e6
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
