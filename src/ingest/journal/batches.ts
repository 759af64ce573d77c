import { datasets } from '../rollups/windows/locatorTally.ts'
import type { OtlpRequest } from '../sources/otlpRequest.ts'
import { recordsOf } from './recordsOf.ts'

/** So many records are added to the journal at a time. */
const recordsPerBatch = 10_000
/** A source may be slow: what has come is not kept waiting for longer, in milliseconds. */
const longestWait = 10_000

/**
 * Requests in groups that are added to the journal at once. Of a source that is slow there is a
 * group every ten seconds, which may be empty.
 */
export async function* batches(
  requests: AsyncIterable<OtlpRequest> | Iterable<OtlpRequest>,
  { most = recordsPerBatch, wait = longestWait }: { most?: number; wait?: number } = {},
): AsyncGenerator<OtlpRequest[]> {
  const iterator = Symbol.asyncIterator in requests ? requests[Symbol.asyncIterator]() : requests[Symbol.iterator]()
  let next: Promise<IteratorResult<OtlpRequest>> | undefined
  try {
    for (;;) {
      const batch: OtlpRequest[] = []
      const { promise: due, resolve } = Promise.withResolvers<'due'>()
      const timer = setTimeout(() => resolve('due'), wait)
      try {
        for (let records = 0; records < most;) {
          next ??= Promise.resolve(iterator.next())
          const come = await Promise.race([next, due])
          if (come === 'due') break
          next = undefined
          if (come.done) {
            if (batch.length > 0) yield batch
            return
          }
          batch.push(come.value)
          records += 1 + datasets.reduce((sum, dataset) => sum + recordsOf(come.value.payload, dataset), 0)
        }
      } finally {
        clearTimeout(timer)
      }
      yield batch
    }
  } finally {
    // A source in the middle of a read ends when that does, which may be never.
    const closed = iterator.return?.()
    if (next === undefined) await closed
    else Promise.resolve(closed).catch(() => {})
    next?.catch(() => {})
  }
}
