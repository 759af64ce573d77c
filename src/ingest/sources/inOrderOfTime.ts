import type { OtlpRequest } from './otlpRequest.ts'
import { extentOf } from '../rollups/timeExtent.ts'

/**
 * The requests of several sources as one stream in the order of time, by their latest record: files that a collector has rotated, or one for each
 * signal, become what they were before they were parted. A request that begins before the one before it in its own source comes right after that.
 *
 * Without it, what two files say of one window would be rolled up from each alone, and the later file would replace what the earlier one said.
 * Of each source one request is kept in memory.
 *
 * @example
 * const files = ['traces-1.jsonl.gz', 'traces-2.jsonl.gz', 'logs.jsonl']
 * for await (const window of rollUp(inOrderOfTime(files.map((file) => readOtlp(file))))) await writeRollups(scope, window)
 */
export async function* inOrderOfTime(sources: readonly AsyncIterable<OtlpRequest>[]): AsyncGenerator<OtlpRequest, void> {
  const iterators = sources.map((source) => source[Symbol.asyncIterator]())
  try {
    const heads = (await Promise.all(iterators.map((iterator) => next(iterator, -1n)))).filter((head) => head !== undefined)
    for (;;) {
      const first = heads.reduce<Head | undefined>(
        (oldest, head) => (oldest === undefined || head.time < oldest.time ? head : oldest),
        undefined,
      )
      if (first === undefined) return
      yield first.request
      const following = await next(first.iterator, first.time)
      heads.splice(heads.indexOf(first), 1, ...(following === undefined ? [] : [following]))
    }
  } finally {
    for (const iterator of iterators) await iterator.return?.()
  }
}

interface Head {
  iterator: AsyncIterator<OtlpRequest>
  request: OtlpRequest
  /** When it is its turn: never before what came before it in its source. */
  time: bigint
}

/** A record this far ahead of those before it has a broken clock, which must not hold back the ones behind it. */
const maxLead = 86_400n * 1_000_000_000n

async function next(iterator: AsyncIterator<OtlpRequest>, previous: bigint): Promise<Head | undefined> {
  const { done, value } = await iterator.next()
  if (done) return undefined
  const latest = extentOf(value.payload)?.latest ?? previous
  const leaps = previous >= 0n && latest > previous + maxLead
  return { iterator, request: value, time: leaps || latest < previous ? previous : latest }
}
