import { datasets } from '../rollups/windows/locatorTally.ts'
import type { OtlpRequest } from '../sources/otlpRequest.ts'
import { recordsOf } from './recordsOf.ts'

/** How many records are added to the journal at a time. */
const recordsPerBatch = 10_000
/** How long records of a slow source wait for more, in milliseconds. */
const longestWait = 10_000

export interface BatchSize {
  /** Records. */
  most?: number
  /** Milliseconds. */
  wait?: number
}

/**
 * Groups requests for the journal. A slow source yields a group every ten seconds, which may be
 * empty.
 */
export async function* batches(
  requests: AsyncIterable<OtlpRequest> | Iterable<OtlpRequest>,
  size?: BatchSize,
): AsyncGenerator<OtlpRequest[]> {
  const listed = () => {
    const list: OtlpRequest[] = []
    return { list, add: (request: OtlpRequest) => void list.push(request) }
  }
  for await (const group of groups(requests, listed, (request) => request, size)) yield group?.list ?? []
}

/** What requests are gathered in. */
export interface Gathering<Item> {
  add(item: Item): void
}

/**
 * The same for whatever comes with requests; each goes at once to what `begin` makes with the first
 * one. A group is undefined if nothing came.
 */
export async function* groups<Item, Group extends Gathering<Item>>(
  items: AsyncIterable<Item> | Iterable<Item>,
  begin: () => Group | Promise<Group>,
  requestOf: (item: Item) => OtlpRequest,
  { most = recordsPerBatch, wait = longestWait }: BatchSize = {},
): AsyncGenerator<Group | undefined> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]()
  let next: Promise<IteratorResult<Item>> | undefined
  try {
    for (;;) {
      let group: Group | undefined
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
          const come = await new Promise<IteratorResult<Item> | 'due'>((resolve, reject) => {
            giveUp = resolve
            reading.then(resolve, reject)
          })
          if (come === 'due') break
          next = undefined
          if (come.done) {
            if (group !== undefined) yield group
            return
          }
          const { payload } = requestOf(come.value)
          records += 1 + datasets.reduce((sum, dataset) => sum + recordsOf(payload, dataset), 0)
          group ??= await begin()
          group.add(come.value)
        }
      } finally {
        clearTimeout(timer)
      }
      yield group
    }
  } finally {
    // During a read, a source ends only when the read ends, which may be never.
    const closed = iterator.return?.()
    if (next === undefined) await closed
    else Promise.resolve(closed).catch(() => {})
    next?.catch(() => {})
  }
}
