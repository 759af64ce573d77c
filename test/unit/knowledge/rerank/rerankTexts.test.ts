import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Rerank } from '../../../../src/knowledge/rerank/rerank.ts'
import { rerankTexts } from '../../../../src/knowledge/rerank/rerankTexts.ts'
import { VantageError } from '../../../../src/schema/errors.ts'

const errorOf = (more: object) => Object.assign(new Error('no'), more)
const texts = ['one', 'three', 'seventeen']
const lengths: Rerank = async (_, all) => all.map((text) => text.length)

/** A reranker that fails as often as it is told, then well. */
function failing(errors: readonly Error[]): { rerank: Rerank; calls: () => number } {
  let calls = 0
  const rerank: Rerank = async (question, all) => {
    const error = errors[calls]
    calls += 1
    if (error !== undefined) throw error
    return lengths(question, all)
  }
  return { rerank, calls: () => calls }
}

const refusal = async (work: Promise<unknown>): Promise<VantageError> => {
  const error: unknown = await work.then(
    () => undefined,
    (error: unknown) => error,
  )
  expect(error).toBeInstanceOf(VantageError)
  expect(error).toMatchObject({ code: 'RERANKING_FAILED' })
  return error as VantageError
}

describe('rerankTexts', () => {
  it('gives each text its score, and the function the question, all texts and a signal', async () => {
    const rerank = vi.fn<Rerank>(lengths)
    expect(await rerankTexts(rerank, 'how many?', texts, {})).toEqual([3, 5, 9])
    expect(rerank.mock.calls).toEqual([['how many?', texts, { signal: expect.any(AbortSignal) as AbortSignal }]])
  })

  it('calls nobody where there is no text', async () => {
    const rerank = vi.fn<Rerank>(lengths)
    expect(await rerankTexts(rerank, 'how many?', [], {})).toEqual([])
    expect(rerank).not.toHaveBeenCalled()
  })

  it('takes typed arrays, scores below 0, and a function that changes the array it is given', async () => {
    expect(await rerankTexts((async () => new Float32Array([0.5, -1, 2])) as never, 'q', texts, {})).toEqual([0.5, -1, 2])
    const emptying: Rerank = async (_, all) => all.splice(0).map(() => 1)
    expect(await rerankTexts(emptying, 'q', texts, {})).toEqual([1, 1, 1])
    expect(texts).toHaveLength(3)
  })

  it.each([
    ['too few scores', [1, 2], 'the reranker gave 2 scores for 3 texts'],
    ['too many scores', [1, 2, 3, 4], 'the reranker gave 4 scores for 3 texts'],
    ['NaN', [1, Number.NaN, 3], 'the reranker gave text 2 of 3 a score that is NaN, not a finite number'],
    ['Infinity', [1, 2, Infinity], 'the reranker gave text 3 of 3 a score that is Infinity, not a finite number'],
    ['null', [null, 2, 3], 'the reranker gave text 1 of 3 a score that is missing, not a finite number'],
    ['a number as text', [1, '2', 3], 'the reranker gave text 2 of 3 a score that is of the type string, not a finite number'],
    [
      'a hole',
      Object.assign(Array<number>(3), { 0: 1, 2: 3 }),
      'the reranker gave text 2 of 3 a score that is missing, not a finite number',
    ],
    ['no array', { scores: [1, 2, 3] }, 'the reranker gave an answer that is of the type object, not an array of scores'],
    ['nothing', undefined, 'the reranker gave undefined, not an array of scores: is a return missing?'],
  ])('refuses %s, and does not ask again', async (_, answer, message) => {
    const rerank = vi.fn(async () => answer)
    expect((await refusal(rerankTexts(rerank as never, 'q', texts, {}))).message).toBe(message)
    expect(rerank).toHaveBeenCalledTimes(1)
  })

  describe('with a clock', () => {
    beforeEach(() => {
      vi.useFakeTimers()
    })
    afterEach(() => {
      vi.useRealTimers()
    })
    const settled = async <Value>(work: Promise<Value>): Promise<Value> => {
      let done = false
      void work.then(
        () => (done = true),
        () => (done = true),
      )
      while (!done) await vi.advanceTimersByTimeAsync(100)
      return work
    }

    it('asks a busy one again, after as long as it says', async () => {
      const { rerank, calls } = failing([errorOf({ status: 429, headers: { 'retry-after': '7' } }), errorOf({ status: 503 })])
      const retries: object[] = []
      const began = Date.now()
      expect(await settled(rerankTexts(rerank, 'q', texts, { onRetry: (retry) => retries.push(retry) }))).toEqual([3, 5, 9])
      expect(calls()).toBe(3)
      expect(Date.now() - began).toBeGreaterThanOrEqual(8000)
      expect(retries).toMatchObject([
        { attempt: 1, waitMs: 7000, texts: 3 },
        { attempt: 2, texts: 3 },
      ])
    })

    it.each([
      ['stays busy', Array<Error>(9).fill(errorOf({ status: 429 })), 2, 'the reranker stayed busy for 2 attempts: status 429: no'],
      [
        'asks to wait too long',
        [errorOf({ status: 429, headers: { 'retry-after': '600' } })],
        1,
        'the reranker asks to wait 600 s, longer than the 60 s waited at most: status 429: no',
      ],
      ['has no key', [errorOf({ status: 401 })], 1, 'the reranker does not take the call: status 401: no. Check its URL, key and model'],
      ['refuses a text', [errorOf({ status: 413 })], 1, 'the reranker refuses the question or one of its 3 texts: status 413: no'],
      [
        'breaks',
        Array<Error>(9).fill(new TypeError('x is not a function')),
        2,
        'the reranker failed on every attempt: x is not a function',
      ],
    ])('is an error with its cause where it %s', async (_, errors, expected, message) => {
      const { rerank, calls } = failing(errors)
      const error = await refusal(settled(rerankTexts(rerank, 'q', texts, { attempts: 2 })))
      expect(error.message).toBe(message)
      expect(error.cause).toBe(errors[0])
      expect(calls()).toBe(expected)
    })
  })

  it('ends at once with the reason of the signal, also where the function does not listen', async () => {
    const stop = new AbortController()
    const reason = new Error('enough')
    const work = rerankTexts(() => new Promise<never>(() => {}), 'q', texts, { signal: stop.signal })
    stop.abort(reason)
    await expect(work).rejects.toBe(reason)
    await expect(rerankTexts(lengths, 'q', texts, { signal: stop.signal })).rejects.toBe(reason)
  })
})
