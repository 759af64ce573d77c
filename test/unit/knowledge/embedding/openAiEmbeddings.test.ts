import { describe, expect, it } from 'vitest'
import { EmbeddingRefused, type Embed } from '../../../../src/knowledge/embedding/embed.ts'
import { embedTexts } from '../../../../src/knowledge/embedding/embedTexts.ts'
import { openAiEmbeddings, type OpenAiEmbeddingsOptions } from '../../../../src/knowledge/embedding/openAiEmbeddings.ts'
import { InvalidInputError } from '../../../../src/schema/errors.ts'
import { answer, embeddings, startProvider, vectorOf, type Misbehave } from '../../../support/embedding/provider.ts'

const apiKey = 'sk-very-secret-key'
const given = ['a', 'bb', 'ccc']

/** What `work` does with a provider that misbehaves so. */
async function against<Value>(
  misbehave: Misbehave | undefined,
  work: (embed: Embed, provider: Awaited<ReturnType<typeof startProvider>>) => Promise<Value>,
  more: Partial<OpenAiEmbeddingsOptions> = {},
): Promise<Value> {
  await using provider = await startProvider(misbehave)
  return await work(openAiEmbeddings({ url: provider.url, apiKey, model: 'm', ...more }), provider)
}

const embedAll = (embed: Embed, texts: readonly string[] = given) =>
  embedTexts(embed, texts, {
    dimension: 3,
    flaw: (embedding) => (embedding.every(Number.isFinite) ? undefined : 'has a number that is not finite'),
    attempts: 2,
    maxWaitMs: 100,
  })

const rejection = (work: Promise<unknown>) =>
  work.then(
    () => undefined,
    (error: unknown) => error as Error & { status?: number; headers?: Headers; providerCode?: string },
  )

describe('openAiEmbeddings', () => {
  it('asks as OpenAI documents it', () =>
    against(
      undefined,
      async (embed, { asked, requests }) => {
        expect(await embed(given)).toEqual(given.map(vectorOf))
        expect(embed.model).toBe('m')
        expect(asked).toEqual([{ model: 'm', input: given, dimensions: 3, encoding_format: 'float' }])
        expect(requests[0]).toMatchObject({
          method: 'POST',
          url: '/v1/embeddings',
          headers: { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json', 'x-team': 'sre' },
        })
        expect(await embed([])).toEqual([])
        expect(asked).toHaveLength(1)
      },
      { dimensions: 3, encoding: 'float', headers: { 'x-team': 'sre' } },
    ))

  it.each([
    ['/v1/', '/v1/embeddings'],
    ['/v1/embeddings', '/v1/embeddings'],
    ['', '/embeddings'],
    ['/openai/deployments/d?api-version=1', '/openai/deployments/d/embeddings?api-version=1'],
  ])('makes of the URL %s the path %s', (path, expected) =>
    against(undefined, async (_, { url, requests }) => {
      await openAiEmbeddings({ url: url.replace('/v1', path), model: 'm' })(['a'])
      expect(requests[0]!.url).toBe(expected)
      expect(requests[0]!.headers.authorization).toBeUndefined()
    }),
  )

  it('reads base64', () =>
    against(
      ({ asked, response }) =>
        answer(
          response,
          200,
          embeddings(asked.input.map((text) => Buffer.from(new Float32Array(vectorOf(text)).buffer).toString('base64'))),
        ),
      async (embed, { asked }) => {
        expect(await embed(given)).toEqual(given.map(vectorOf))
        expect(asked[0]!.encoding_format).toBe('base64')
      },
      { encoding: 'base64' },
    ))

  it('puts the answer in the order of its indexes', () =>
    against(
      ({ asked, response }) => answer(response, 200, { data: embeddings(asked.input.map(vectorOf)).data.toReversed() }),
      async (embed) => expect(await embed(given)).toEqual(given.map(vectorOf)),
    ))

  it.each([[[0, 0, 1]], [[0, undefined, 2]]])('refuses an answer with the indexes %j', (indexes) =>
    against(
      ({ response }) => answer(response, 200, { data: indexes.map((index) => ({ index, embedding: [1, 2, 3] })) }),
      async (embed) => expect((await rejection(embed(given)))?.message).toBe('the answer has an index twice, or lacks one'),
    ),
  )

  it('says what the provider said, but never the key', () =>
    against(
      ({ response }) =>
        answer(
          response,
          401,
          { error: { message: `Incorrect API key: ${apiKey}, team secret-team-token`, code: 'invalid_api_key' } },
          { 'x-request-id': 'r1' },
        ),
      async (embed) => {
        const error = await rejection(embed(given))
        expect(error).toMatchObject({ status: 401, providerCode: 'invalid_api_key', code: 'EMBEDDING_CALL' })
        expect(error!.message).toBe('401 Unauthorized: Incorrect API key: ***, team ***')
        expect(error!.headers!.get('x-request-id')).toBe('r1')
        await expect(embedAll(embed)).rejects.toThrow('does not take the call: 401 Unauthorized: Incorrect API key: ***')
      },
      { headers: { 'x-team': 'secret-team-token' } },
    ))

  it.each([
    [{ error: 'model not found' }, '404 Not Found: model not found'],
    [{ message: 'no such model' }, '404 Not Found: no such model'],
    [{ detail: [{ msg: 'field required' }] }, '404 Not Found: [{"msg":"field required"}]'],
    ['<html><body>nothing here</body></html>', '404 Not Found: an HTML page'],
    ['', '404 Not Found'],
  ])('reads the error %j', (body, message) =>
    against(
      ({ response }) => answer(response, 404, body),
      async (embed) => expect((await rejection(embed(given)))?.message).toBe(message),
    ),
  )

  it('follows no redirect with the key', () =>
    against(
      ({ request, response }) => request.url === '/v1/embeddings' && answer(response, 307, '', { location: '/elsewhere?key=1' }),
      async (embed, { requests }) => {
        await expect(embedAll(embed)).rejects.toThrow(
          /does not take the call: 307 Temporary Redirect: it points to http:\/\/[^/ ]+\/elsewhere, and redirects are not followed\./,
        )
        expect(requests).toHaveLength(1)
      },
    ))

  it('stops at the time-out, while the answer goes on', () =>
    against(
      ({ response }) => {
        response.writeHead(200, { 'content-type': 'application/json' }).write('{"data":[')
        return true
      },
      async (embed) => {
        expect(await rejection(embed(given))).toMatchObject({ name: 'TimeoutError', message: expect.stringContaining('within 50 ms') })
        await expect(embedAll(embed)).rejects.toThrow('stayed busy for 2 attempts')
      },
      { timeoutMs: 50 },
    ))

  it('ends when it is aborted', () =>
    against(
      () => true,
      async (embed) => {
        const controller = new AbortController()
        const work = rejection(embed(given, { signal: controller.signal }))
        setTimeout(() => controller.abort(new Error('enough')), 20)
        expect(await work).toMatchObject({ message: 'enough' })
      },
    ))

  it.each<[string, Misbehave]>([
    [
      '429 that says when',
      ({ calls, response }) => calls === 1 && answer(response, 429, { error: { message: 'slow down' } }, { 'retry-after': '0' }),
    ],
    ['500', ({ calls, response }) => calls === 1 && answer(response, 500, { error: { message: 'oops' } })],
    ['an HTML page of a proxy', ({ calls, response }) => calls === 1 && answer(response, 502, '<html>Bad gateway</html>')],
    ['an HTML page with 200', ({ calls, response }) => calls === 1 && answer(response, 200, '<html>Log in</html>')],
    [
      'a connection that is cut at once',
      ({ calls, request }) => {
        if (calls > 1) return false
        request.socket.destroy()
        return true
      },
    ],
    [
      'a connection that is cut in the middle of the answer',
      ({ calls, response }) => {
        if (calls > 1) return false
        response.writeHead(200, { 'content-length': '1000' }).write('{"data":[', () => response.socket!.destroy())
        return true
      },
    ],
  ])('is tried again after %s', (_, misbehave) =>
    against(misbehave, async (embed, { asked }) => {
      expect(await embedAll(embed)).toEqual(given.map(vectorOf))
      expect(asked).toHaveLength(2)
    }),
  )

  it('finds the text that is refused with every batch', () =>
    against(
      ({ asked, response }) => asked.input.includes('bb') && answer(response, 400, { error: { message: 'too long' } }),
      async (embed) => {
        const [first, second, third] = await embedAll(embed)
        expect([first, third]).toEqual([vectorOf('a'), vectorOf('ccc')])
        expect(second).toBeInstanceOf(EmbeddingRefused)
        expect(second).toMatchObject({ reason: '400 Bad Request: too long' })
      },
    ))

  it.each<[string, unknown, string | undefined]>([
    ['null among the numbers', [1, null, 3], 'has a number that is not finite'],
    ['base64 of zeros', 'A'.repeat(16), undefined],
    ['null', null, 'its embedding has 0 numbers, not 3'],
    ['base64 of no numbers', 'AAA=', 'its embedding has 0 numbers, not 3'],
  ])('refuses a text whose embedding is %s', (_, flawed, reason) =>
    against(
      ({ asked, response }) => answer(response, 200, embeddings(asked.input.map((text) => (text === 'bb' ? flawed : vectorOf(text))))),
      async (embed) => {
        const found = await embedAll(embed)
        expect(found[1]).toEqual(reason === undefined ? [0, 0, 0] : new EmbeddingRefused(reason))
        expect([found[0], found[2]]).toEqual([vectorOf('a'), vectorOf('ccc')])
      },
    ),
  )

  it.each<[string, Misbehave, string]>([
    [
      'another dimension',
      ({ asked, response }) => answer(response, 200, embeddings(asked.input.map(() => [1, 2]))),
      'has 2 numbers, not 3',
    ],
    [
      'fewer embeddings',
      ({ asked, response }) => answer(response, 200, embeddings(asked.input.slice(1).map(vectorOf))),
      'gave 2 embeddings for 3 texts',
    ],
    ['no answer that is one', ({ response }) => answer(response, 200, { object: 'list' }), 'not that of an embeddings endpoint'],
    [
      'NaN, which is no JSON',
      ({ response }) => answer(response, 200, '{"data":[{"embedding":[NaN]}]}'),
      'not that of an embeddings endpoint',
    ],
  ])('is refused by name where it gives %s', (_, misbehave, message) =>
    against(misbehave, async (embed) => expect(embedAll(embed)).rejects.toThrow(message)),
  )

  it.each<[string, object, string]>([
    ['a URL that is none', { url: 'localhost' }, 'url'],
    ['another protocol', { url: 'file:///etc' }, 'url'],
    ['a password in the URL', { url: 'https://user:very-secret@host/' }, 'url'],
    ['a key with a line break', { apiKey: 'very-secret\n' }, 'apiKey'],
    ['a key that is no text', { apiKey: 7 }, 'apiKey'],
    ['a header that HTTP does not allow', { headers: { 'x-key': 'very\nsecret' } }, 'headers'],
    ['no model', { model: '' }, 'model'],
    ['no time', { timeoutMs: 0 }, 'timeoutMs'],
  ])('refuses %s without showing a secret', (_, wrong, field) => {
    const error = (() => {
      try {
        return openAiEmbeddings({ url: 'http://127.0.0.1/v1', model: 'm', ...wrong })
      } catch (error) {
        return error
      }
    })()
    expect(error).toBeInstanceOf(InvalidInputError)
    expect(error).toMatchObject({ field, message: expect.not.stringContaining('very-secret') })
  })
})
