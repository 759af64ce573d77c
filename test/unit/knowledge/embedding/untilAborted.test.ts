import { Readable } from 'node:stream'
import { setImmediate as turn } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { DocumentInput } from '../../../../src/knowledge/index.ts'
import { groupsOf } from '../../../../src/knowledge/documents/groups.ts'
import { documentInput } from '../../../../src/knowledge/documents/documentInput.ts'
import { untilAborted } from '../../../../src/knowledge/embedding/waiting.ts'
import { unitScope } from '../../../support/unitScope.ts'

const first = new Error('what went wrong first')
const signals = { without: () => undefined, with: () => new AbortController().signal }

async function allOf(items: AsyncIterable<unknown>): Promise<unknown[]> {
  const all: unknown[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Takes one item, then fails. */
async function failAfterOne(source: Iterable<unknown> | AsyncIterable<unknown>, signal: AbortSignal | undefined): Promise<void> {
  for await (const _ of untilAborted(source, signal)) throw first
}

describe.each(['without', 'with'] as const)('a source read %s a signal', (kind) => {
  const signal = signals[kind]

  it('is closed where its reader fails, and that is waited for', async () => {
    let closed = false
    async function* source() {
      try {
        yield* [1, 2, 3]
      } finally {
        await turn()
        closed = true
      }
    }
    await expect(failAfterOne(source(), signal())).rejects.toBe(first)
    expect(closed).toBe(true)
    const stream = Readable.from([1, 2, 3])
    await expect(failAfterOne(stream, signal())).rejects.toBe(first)
    expect(stream.destroyed).toBe(true)
  })

  it.each<[string, () => unknown]>([
    [
      'throws',
      () => {
        throw new Error('later')
      },
    ],
    ['rejects', () => Promise.reject(new Error('later'))],
    ['hangs', () => new Promise(() => {})],
  ])('may be closed by what %s: the first error is thrown', async (_, end) => {
    // prettier-ignore
    const source = { next: async () => ({ done: false, value: 1 }), return: end, [Symbol.asyncIterator]: () => source }
    await expect(failAfterOne(source as never, signal())).rejects.toBe(first)
  })

  it('is not closed where it has ended, or has failed itself', async () => {
    let closed = 0
    const source = (next: () => unknown) => {
      const items = { next, return: async () => ({ done: true, value: (closed += 1) }), [Symbol.asyncIterator]: () => items }
      return items as unknown as AsyncIterable<unknown>
    }
    const read = (of: AsyncIterable<unknown>) => allOf(untilAborted(of, signal()))
    expect(await read(source(async () => ({ done: true, value: undefined })))).toEqual([])
    await expect(read(source(() => Promise.reject(first)))).rejects.toBe(first)
    expect(closed).toBe(0)
  })

  it('gives what it yields, also of a list', async () => {
    expect(await allOf(untilAborted(new Set([1, 2]), signal()))).toEqual([1, 2])
    expect(await allOf(untilAborted(Readable.from([1, 2]), signal()))).toEqual([1, 2])
  })
})

it('destroys a stream that has gone quiet when it is aborted', async () => {
  const stream = new Readable({ objectMode: true, read: () => {} })
  const controller = new AbortController()
  const reading = allOf(untilAborted(stream, controller.signal))
  await turn()
  controller.abort(first)
  await expect(reading).rejects.toBe(first)
  expect(stream.destroyed).toBe(true)
})

describe('the documents of a call', () => {
  const page = (at: number): DocumentInput => ({ source: 's', title: `${at}`, content: 'c' })
  const schema = documentInput(unitScope().installation)

  it.each([
    ['one of them is refused', 3],
    ['what is made of a group fails', 1000],
  ])('are closed where %s', async (_, wrong) => {
    let closed = false
    async function* source() {
      try {
        for (let at = 0; ; at += 1) yield at === wrong ? ({ source: 's' } as DocumentInput) : page(at)
      } finally {
        closed = true
      }
    }
    const taking = (async () => {
      for await (const { documents } of groupsOf(source(), { schema, split: {}, signal: undefined })) {
        if (documents.length === 64) throw first
      }
    })()
    await expect(taking).rejects.toThrow(wrong === 3 ? /^documents\[3\]/ : first)
    expect(closed).toBe(true)
  })
})
