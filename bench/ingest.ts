import { access } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { batches } from '../src/ingest/journal/batches.ts'
import { rollJournal } from '../src/ingest/journal/rollJournal.ts'
import { DimensionValues } from '../src/ingest/records/dimensionValues.ts'
import { latestBelievable, TelemetryClock } from '../src/ingest/journal/telemetryClock.ts'
import { ingest as load } from '../src/ingest/ingest.ts'
import { readOtlp } from '../src/ingest/sources/readOtlp.ts'
import { writeRollups } from '../src/ingest/writer/writeRollups.ts'
import type { Scope } from '../src/database/scope.ts'
import { BareJournal } from './bareJournal.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { rolledUp } from './rolledUp.ts'
import { serviceMemory } from './serviceMemory.ts'
import { newTenant, openTarget, seconds } from './target.ts'
import { trainTicketDay } from './trainTicketDay.ts'
import { writes } from './writes.ts'
import { writesOfCalls } from './writesOfCalls.ts'

/**
 * What the journal costs: the recorded incident (or `incident.jsonl.gz` of the data folder) ingested, against the same reading, rolling up and writing
 * of records that are never encoded, kept or read back. And what is before the database: bytes to
 * windows (`rolledUp`), and, on a server, how fast windows are written against a COPY (`writes`,
 * `writesOfCalls`).
 */
export async function* ingest({ data, url }: BenchmarkOptions): AsyncGenerator<Figure> {
  const shipped = join(fileURLToPath(new URL('../examples/shop/recordings', import.meta.url)), 'incident.jsonl.gz')
  const given = join(data ?? '', 'incident.jsonl.gz')
  const recording = await access(given).then(
    () => given,
    () => shipped,
  )
  const { db, url: own, close } = await openTarget(url)
  try {
    if (own !== undefined) {
      yield* writes(db, own)
      yield* writesOfCalls(db, own)
      if (data !== undefined) yield* trainTicketDay(db, own, data)
      yield* serviceMemory(db, own)
    }
    await load(await newTenant(db), recording)
    const [kept, bare]: [number[], number[]] = [[], []]
    for (let run = 0; run < 5; run++) {
      const [one, other] = [await newTenant(db), await newTenant(db)]
      bare.push(await seconds(() => loadBare(one, recording)))
      kept.push(await seconds(() => load(other, recording)))
    }
    yield { figure: 'ingest.journal.cost', value: median(kept) / median(bare) - 1, unit: 'x' }
    yield { figure: 'ingest.with_journal', value: median(kept), unit: 's' }
    yield { figure: 'ingest.without_journal', value: median(bare), unit: 's' }
    const scope = await newTenant(db)
    const { journal, spans, logRecords, metricPoints } = await load(scope, recording)
    yield { figure: 'ingest.journal.bytes_per_record', value: journal.bytes / (spans + logRecords + metricPoints), unit: 'B' }
  } finally {
    await close()
  }
  yield* rolledUp(recording)
}

async function loadBare(scope: Scope, recording: string): Promise<void> {
  const horizon = 15 * 60_000
  const journal = new BareJournal()
  const rules = {
    clock: new TelemetryClock(0),
    horizon,
    dimensions: new DimensionValues([]),
    latest: latestBelievable(Date.now()),
    oldest: new Map(),
  }
  for await (const batch of batches(readOtlp(recording))) journal.append(batch, rules)
  for await (const { window } of rollJournal(journal, { horizon })) await writeRollups(scope, window)
}

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!
