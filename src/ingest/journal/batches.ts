import { datasets } from '../rollups/windows/locatorTally.ts'
import type { OtlpRequest } from '../sources/otlpRequest.ts'
import { recordsOf } from './recordsOf.ts'

/** How many records are added to the journal at a time. */
const recordsPerBatch = 10_000
/** How long records of a slow source wait for more, in milliseconds. */
const longestWait = 10_000

/**
 * Groups requests for the journal. A slow source yields a group every ten seconds, which may be
 * empty.
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
      // Of the read that is awaited only. With `Promise.race`, the timer's promise would keep a
      // reaction for each request.
      let giveUp: (due: 'due') => void = () => {}
      let isDue = false
      const timer = setTimeout(() => {
        isDue = true
        giveUp('due')
      }, wait)
      try {
        for (let records = 0; records < most;) {
          next ??= Promise.resolve(iterator.next())
          if (isDue) break
          const reading = next
          const come = await new Promise<IteratorResult<OtlpRequest> | 'due'>((resolve, reject) => {
            giveUp = resolve
            reading.then(resolve, reject)
          })
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
    // During a read, a source ends only when the read ends, which may be never.
    const closed = iterator.return?.()
    if (next === undefined) await closed
    else Promise.resolve(closed).catch(() => {})
    next?.catch(() => {})
  }
}
