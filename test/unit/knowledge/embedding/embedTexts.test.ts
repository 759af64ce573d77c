import fc from 'fast-check'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { EmbeddingRefused, type Embed } from '../../../../src/knowledge/embedding/embed.ts'
import { embedTexts, type EmbedTextsOptions } from '../../../../src/knowledge/embedding/embedTexts.ts'
import { VantageError } from '../../../../src/schema/errors.ts'

const options: EmbedTextsOptions = {
  dimension: 2,
  flaw: (embedding) => (embedding.every(Number.isFinite) ? undefined : 'has a number that is not finite'),
}

/** What a text is given here, so that it can be told whether each got its own. */
const vectorOf = (text: string) => [text.length, text.codePointAt(0) ?? 0]
const errorOf = (more: object) => Object.assign(new Error('no'), more)
const texts = (count: number) => Array.from({ length: count }, (_, at) => `text ${at}`)

/** An embedding function that fails as told, and the batches it was called with. */
function embedder(fail: (batch: string[], call: number) => Error | undefined = () => undefined) {
  const batches: string[][] = []
  const embed: Embed = async (batch) => {
    batches.push(batch)
    const failure = fail(batch, batches.length)
    await Promise.resolve()
    if (failure !== undefined) throw failure
    return batch.map(vectorOf)
  }
  return { embed, batches }
}

/** Runs the clock until the work ends, and gives what it gave or threw. */
async function settled<Value>(work: Promise<Value>): Promise<Value> {
  let done = false
  void work.then(
    () => (done = true),
    () => (done = true),
  )
  while (!done) await vi.advanceTimersByTimeAsync(100)
  return work
}

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  const left = vi.getTimerCount()
  vi.useRealTimers()
  if (left > 0) throw new Error(`${left} timers are left`)
})

describe('embedTexts', () => {
  it('gives each text its embedding, in order, whatever the batches', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ maxLength: 30 }), { maxLength: 30 }),
        fc.integer({ min: 1, max: 12 }),
        fc.integer({ min: 1, max: 5 }),
        fc.integer({ min: 1, max: 4 }),
        async (given, batchTokens, batchTexts, concurrency) => {
          const { embed, batches } = embedder()
          expect(await embedTexts(embed, given, { ...options, batchTokens, batchTexts, concurrency })).toEqual(given.map(vectorOf))
          expect(batches.flat().toSorted()).toEqual(given.toSorted())
          for (const batch of batches) {
            expect(batch.length).toBeLessThanOrEqual(batchTexts)
            if (batch.length > 1) expect(Buffer.byteLength(batch.join('')) / 3).toBeLessThanOrEqual(batchTokens)
            if (batch.includes('')) expect(batch).toEqual([''])
          }
        },
      ),
    )
  })

  it('runs so many calls at a time, and no more', async () => {
    let [now, most] = [0, 0]
    const embed: Embed = async (batch) => {
      most = Math.max(most, (now += 1))
      await new Promise((resolve) => setTimeout(resolve, 10))
      now -= 1
      return batch.map(vectorOf)
    }
    await settled(embedTexts(embed, texts(20), { ...options, batchTexts: 1, concurrency: 3 }))
    expect(most).toBe(3)
  })

  it.each([
    ['status', { status: 429 }],
    ['statusCode', { statusCode: 503 }],
    ['a time-out', { name: 'TimeoutError' }],
    ['500', { status: 500 }],
    ['a cut connection', { message: 'fetch failed', cause: errorOf({ code: 'ECONNRESET' }) }],
    ['a refused connection', { message: 'fetch failed', cause: errorOf({ code: 'ECONNREFUSED' }) }],
    ['an error in an error', { cause: errorOf({ cause: errorOf({ response: { status: 502 } }) }) }],
    ['anything unknown', {}],
  ])('tries again after %s', async (_, error) => {
    const onRetry = vi.fn()
    const { embed, batches } = embedder((_, call) => (call <= 2 ? errorOf(error) : undefined))
    expect(await settled(embedTexts(embed, texts(3), { ...options, onRetry }))).toEqual(texts(3).map(vectorOf))
    expect(batches).toHaveLength(3)
    expect(onRetry).toHaveBeenCalledTimes(2)
    const [first, second] = onRetry.mock.calls.map(([retry]) => retry as { waitMs: number })
    expect(first).toMatchObject({ attempt: 1, texts: 3, error: expect.objectContaining(error) })
    expect(first!.waitMs).toBeGreaterThanOrEqual(500)
    expect(first!.waitMs).toBeLessThanOrEqual(1000)
    expect(second!.waitMs).toBeGreaterThanOrEqual(1000)
    expect(second!.waitMs).toBeLessThanOrEqual(2000)
  })

  it.each([
    ['seconds', () => ({ headers: new Headers({ 'Retry-After': '7' }) })],
    ['a date', () => ({ headers: { 'Retry-After': new Date(Date.now() + 7000).toUTCString() } })],
    ['the headers of the AI SDK', () => ({ responseHeaders: { 'retry-after': '7' } })],
    ['milliseconds', () => ({ headers: { 'retry-after': '1', 'retry-after-ms': '7000' } })],
    ['what caused it', () => ({ cause: errorOf({ status: 429, headers: { 'retry-after': '7' } }) })],
  ])('waits as long as the provider asks: %s', async (_, more) => {
    vi.setSystemTime(new Date('2025-01-01T00:00:00Z'))
    const at: number[] = []
    const { embed } = embedder((_, call) => {
      at.push(Date.now())
      return call === 1 ? errorOf({ status: 429, ...more() }) : undefined
    })
    await settled(embedTexts(embed, texts(4), { ...options, batchTexts: 2, concurrency: 1 }))
    expect(at).toHaveLength(3)
    expect(at[1]! - at[0]!).toBe(7000)
  })

  it('begins no other call while the provider asks to wait', async () => {
    const at: number[] = []
    const begin = Date.now()
    const { embed } = embedder((_, call) => {
      at.push(Date.now() - begin)
      return call === 1 ? errorOf({ status: 429, headers: { 'retry-after': '5' } }) : undefined
    })
    await settled(embedTexts(embed, texts(6), { ...options, batchTexts: 1, concurrency: 2 }))
    // The second was out already.
    expect(at.filter((ms) => ms < 5000)).toHaveLength(2)
    expect(at).toHaveLength(7)
  })

  it('does not wait for longer than it may', async () => {
    const { embed, batches } = embedder(() => errorOf({ status: 429, headers: { 'retry-after': '3600' } }))
    await expect(embedTexts(embed, texts(3), options)).rejects.toThrow(
      'asks to wait 3600 s, longer than the 60 s waited at most: status 429: no',
    )
    expect(batches).toHaveLength(1)
  })

  it('gives up on a provider that stays busy', async () => {
    const cause = errorOf({ status: 503 })
    const { embed, batches } = embedder(() => cause)
    const error = await settled(embedTexts(embed, texts(3), { ...options, attempts: 3 })).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(VantageError)
    expect(error).toMatchObject({ code: 'EMBEDDING_FAILED', message: expect.stringContaining('stayed busy for 3 attempts'), cause })
    expect(batches).toHaveLength(3)
  })

  it.each([400, 413, 422])('finds the texts that are refused with %d, and embeds all others', async (status) => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 4, max: 60 }),
        fc.uniqueArray(fc.nat(), { maxLength: 3 }),
        fc.integer({ min: 1, max: 20 }),
        async (count, places, batchTexts) => {
          const given = texts(count)
          const poison = new Set(places.map((place) => given[place % count]!))
          const { embed } = embedder((batch) =>
            batch.some((text) => poison.has(text)) ? errorOf({ status, message: 'too long' }) : undefined,
          )
          const found = await embedTexts(embed, given, { ...options, batchTexts })
          expect(found.map((each) => (each instanceof EmbeddingRefused ? each.reason : each))).toEqual(
            given.map((text) => (poison.has(text) ? `status ${status}: too long` : vectorOf(text))),
          )
        },
      ),
      { numRuns: 40 },
    )
  })

  it('does not let a refused text hold back the batches behind it', async () => {
    const { embed, batches } = embedder((batch) => (batch.includes('text 0') ? errorOf({ status: 400 }) : undefined))
    await embedTexts(embed, texts(12), { ...options, batchTexts: 4, concurrency: 1 })
    expect(batches.slice(0, 3).map(([first]) => first)).toEqual(['text 0', 'text 4', 'text 8'])
  })

  it('names a text that is the only one, and refused', async () => {
    const cause = errorOf({ status: 400, message: 'too long' })
    const { embed } = embedder(() => cause)
    expect(await embedTexts(embed, ['a'], options)).toEqual([new EmbeddingRefused('status 400: too long', cause)])
  })

  it('sees that it is the call that is refused, before it has asked for every text', async () => {
    const { embed, batches } = embedder(() => errorOf({ status: 400, message: 'unknown dimensions' }))
    await expect(embedTexts(embed, texts(5000), options)).rejects.toThrow(
      'refused each of the first 8 texts: status 400: unknown dimensions',
    )
    expect(batches.length).toBeLessThan(40)
  })

  it.each([
    ['401', { status: 401 }],
    ['403', { statusCode: 403 }],
    ['404', { status: 404 }],
    ['an account without credit', { status: 429, code: 'insufficient_quota' }],
    ['a certificate that is not trusted', { cause: errorOf({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' }) }],
  ])('throws at once where the call cannot work: %s', async (_, more) => {
    const cause = errorOf(more)
    const { embed, batches } = embedder(() => cause)
    const error = await embedTexts(embed, texts(3), { ...options, concurrency: 1, batchTexts: 1 }).catch((error: unknown) => error)
    expect(error).toBeInstanceOf(VantageError)
    expect(error).toMatchObject({ message: expect.stringContaining('does not take the call'), cause })
    expect(batches).toHaveLength(1)
  })

  it('finds the text over which the provider breaks', async () => {
    const { embed, batches } = embedder((batch) => (batch.includes('text 5') ? errorOf({ status: 500 }) : undefined))
    const found = await settled(embedTexts(embed, texts(16), options))
    expect(found.map((each, at) => (each instanceof EmbeddingRefused ? at : -1)).filter((at) => at >= 0)).toEqual([5])
    expect(batches.length).toBeLessThanOrEqual(3 + 8)
  })

  it.each([1, 3, 1000])('throws where it breaks over every one of %d texts', async (count) => {
    const cause = new TypeError('x is not a function')
    const { embed, batches } = embedder(() => cause)
    await expect(settled(embedTexts(embed, texts(count), options))).rejects.toMatchObject({
      message: 'the embedding provider failed on every attempt: x is not a function',
      cause,
    })
    expect(batches.length).toBeLessThanOrEqual(60)
  })

  it.each([
    ['fewer embeddings', (batch: string[]) => batch.slice(1).map(vectorOf), 'gave 2 embeddings for 3 texts'],
    ['more embeddings', (batch: string[]) => [...batch, ''].map(vectorOf), 'gave 4 embeddings for 3 texts'],
    ['no array', () => ({ data: [] }), 'gave an answer that is of the type object, not an array of embeddings'],
    ['nothing', () => undefined, 'gave undefined, not an array of embeddings: is a return missing?'],
    ['null', () => null, 'gave null, not an array of embeddings: is a return missing?'],
    [
      'another dimension',
      (batch: string[]) => batch.map(() => [1, 2, 3]),
      'its embedding has 3 numbers, not 2. Take a model that gives 2, or for this one a new installation: pgvantage migrate up --embedding-dimension 3',
    ],
    ['objects', (batch: string[]) => batch.map((text) => ({ embedding: vectorOf(text) })), 'its embedding is of the type object'],
  ])('throws by name where the function gives %s', async (_, give, message) => {
    const embed = (async (batch: string[]) => give(batch)) as Embed
    await expect(embedTexts(embed, texts(3), options)).rejects.toThrow(message)
  })

  it.each([
    ['NaN', [1, Number.NaN], 'has a number that is not finite'],
    ['null', null, 'its embedding is missing'],
    ['none', [], 'its embedding has 0 numbers, not 2'],
    ['another dimension than the others', [1, 2, 3], 'its embedding has 3 numbers, not 2'],
  ])('refuses the one text whose embedding is %s', async (_, flawed, reason) => {
    const embed = (async (batch: string[]) => batch.map((text) => (text === 'b' ? flawed : vectorOf(text)))) as Embed
    expect(await embedTexts(embed, ['a', 'b', 'c'], options)).toEqual([vectorOf('a'), new EmbeddingRefused(reason), vectorOf('c')])
  })

  it('takes the arrays of models in this process', async () => {
    const embed = (async (batch: string[]) => batch.map(() => new Float32Array([1, 2]))) as unknown as Embed
    expect(await embedTexts(embed, ['a'], options)).toEqual([[1, 2]])
  })

  it('ends at once when it is aborted, in a call that does not listen', async () => {
    const controller = new AbortController()
    const embed: Embed = () => new Promise((_, reject) => setTimeout(() => reject(new Error('much later')), 60_000))
    const work = embedTexts(embed, texts(100), { ...options, signal: controller.signal })
    controller.abort(new Error('enough'))
    await expect(work).rejects.toThrow('enough')
    // What comes later is heard by nobody, and rejects nothing.
    await vi.advanceTimersByTimeAsync(60_000)
  })

  it('ends at once when it is aborted, while it waits', async () => {
    const controller = new AbortController()
    const { embed, batches } = embedder(() => errorOf({ status: 429, headers: { 'retry-after': '50' } }))
    const work = embedTexts(embed, texts(3), { ...options, signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 1000)
    await expect(settled(work)).rejects.toThrow('enough')
    expect(batches).toHaveLength(1)
  })

  it('calls nothing where it was aborted before', async () => {
    const { embed, batches } = embedder()
    await expect(embedTexts(embed, texts(3), { ...options, signal: AbortSignal.abort(new Error('enough')) })).rejects.toThrow('enough')
    expect(batches).toEqual([])
  })

  it('tells the other calls that are out when one of them cannot work', async () => {
    const signals: AbortSignal[] = []
    const embed: Embed = async (_, given) => {
      signals.push(given!.signal!)
      if (signals.length === 2) throw errorOf({ status: 401 })
      return new Promise(() => {})
    }
    await expect(embedTexts(embed, texts(2), { ...options, batchTexts: 1 })).rejects.toThrow('401')
    expect(signals.map(({ aborted }) => aborted)).toEqual([true, true])
  })
})
