import type { OtlpRequest } from './otlpRequest.ts'
import { extentOf } from './timeExtent.ts'

/**
 * The requests of several sources as one stream, in the order of their latest records.
 *
 * Use it for files that belong together: those a collector has rotated, or one for each signal.
 * Read one after the other, two files that share a window would each be rolled up alone, and the
 * rows of the later file would replace those of the earlier.
 *
 * Within a source the order stays: a request that is older than the one before it comes right after
 * that. One request of each source is kept in memory.
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
  /** Decides whose turn it is; never less than that of the request before it in its source. */
  time: bigint
}

/**
 * A record this far ahead of those before it has a broken clock. It must not hold back what
 * follows.
 */
const maxLead = 86_400n * 1_000_000_000n

async function next(iterator: AsyncIterator<OtlpRequest>, previous: bigint): Promise<Head | undefined> {
  const { done, value } = await iterator.next()
  if (done) return undefined
  const latest = extentOf(value.payload)?.latest ?? previous
  const leaps = previous >= 0n && latest > previous + maxLead
  return { iterator, request: value, time: leaps || latest < previous ? previous : latest }
}
