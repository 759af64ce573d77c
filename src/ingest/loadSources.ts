import type { Scope } from '../database/scope.ts'
import { emptyIngestReport, type IngestReport } from './ingestReport.ts'
import { groups } from './journal/batches.ts'
import { Load, type LoadOptions } from './load.ts'
import { requestsOf, type PlacedSource, type ReadingOptions } from './sources/requestsOf.ts'

/** How often a long input is rolled up in between, in milliseconds. */
const rollEvery = 60_000

/** Loads sources into the tenant's rows, one after the other. */
export async function loadSources(
  scope: Scope,
  sources: readonly PlacedSource[],
  options: LoadOptions & ReadingOptions,
): Promise<IngestReport> {
  const { signal, format, text, onMalformed, onRefused, onRecognised } = options
  const report = emptyIngestReport()
  const load = new Load(scope, options, report)
  const requests = requestsOf(sources, {
    format,
    text,
    signal,
    onRefused,
    onRecognised,
    onMalformed: (malformed) => {
      report.malformed += 1
      onMalformed?.(malformed)
    },
    onNothing: (source) => report.withoutRequests.push(source),
  })
  let rolledAt = performance.now()
  const batches = groups(
    requests,
    () => load.begin(),
    ({ request }) => request,
  )
  for await (const batch of batches) {
    signal?.throwIfAborted()
    if (batch !== undefined) await load.add(batch)
    if (performance.now() - rolledAt < rollEvery && !(await load.isFull())) continue
    await load.rollUp()
    rolledAt = performance.now()
  }
  signal?.throwIfAborted()
  await load.rollUp()
  await load.settle()
  return report
}
