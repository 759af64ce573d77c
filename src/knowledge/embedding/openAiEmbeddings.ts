import { z } from 'zod'
import { InvalidInputError } from '../../schema/errors.ts'
import { parseOptions } from '../../schema/parse.ts'
import { counted } from './counted.ts'
import type { Embed } from './embed.ts'
import { EmbeddingCallError } from './embeddingCallError.ts'

export interface OpenAiEmbeddingsOptions {
  /**
   * The base URL of the API, such as `https://api.openai.com/v1`; `/embeddings` is added to its
   * path.
   */
  url: string
  /** Sent as `Authorization: Bearer ...`; never shown in an error. */
  apiKey?: string
  model: string
  /** The number of dimensions to ask for, from models that support several. */
  dimensions?: number
  /**
   * The encoding of the numbers: `base64` is a quarter of the size, if the provider supports it.
   * Default: the provider's own. Answers in either encoding are understood.
   */
  encoding?: 'float' | 'base64'
  /** Sent with each call, such as Azure's `api-key`; never shown in an error. */
  headers?: Record<string, string>
  /** The time limit of one call including its answer, in milliseconds. Default: 60,000. */
  timeoutMs?: number
}

const openAiEmbeddingsOptions = z.strictObject({
  url: z.url({ protocol: /^https?$/, error: 'must be a URL that begins with http:// or https://' }),
  // Secrets are checked separately: an error of the schema would show them.
  apiKey: z.unknown().optional(),
  model: z.string().min(1),
  dimensions: z.int().min(1).optional(),
  encoding: z.enum(['float', 'base64']).optional(),
  headers: z.unknown().optional(),
  timeoutMs: z.int().min(1).max(3_600_000).default(60_000),
})

/** The size limit of an answer: 2,000 embeddings of 4,000 numbers are about 170 MB. */
const maxAnswerBytes = 256 * 2 ** 20

/**
 * Makes an embedding function for any provider with OpenAI's `/embeddings` API: OpenAI, Azure,
 * Mistral, Ollama, vLLM, llama.cpp, text-embeddings-inference and others.
 *
 * It makes one call for each batch and does not retry; `addDocuments` does. It does not follow
 * redirects, so the key is sent to no other host.
 *
 * @throws InvalidInputError naming the option that is unknown or wrong. The returned function
 * rejects with a VantageError that has the answer's `status`, `headers` and `providerCode` and the
 * provider's message without secrets; or with a `TimeoutError`.
 * @example
 * const embed = openAiEmbeddings({
 *   url: 'https://api.openai.com/v1',
 *   apiKey: process.env.OPENAI_API_KEY,
 *   model: 'text-embedding-3-small',
 * })
 * const [embedding] = await embed(['Switch to the second provider'])
 */
export function openAiEmbeddings(options: OpenAiEmbeddingsOptions): Embed {
  const { url, model, dimensions, encoding, timeoutMs } = parseOptions(openAiEmbeddingsOptions, options)
  const endpoint = endpointOf(url)
  const headers = headersOf(options)
  const withoutSecrets = hiding([options.apiKey, ...Object.values(options.headers ?? {})])

  const embed = async (texts: string[], { signal }: { signal?: AbortSignal } = {}): Promise<number[][]> => {
    signal?.throwIfAborted()
    if (texts.length === 0) return []
    const body = JSON.stringify({ model, input: texts, dimensions, encoding_format: encoding })
    const late = new AbortController()
    const timer = setTimeout(
      () => late.abort(new DOMException(`no answer from ${endpoint.host} within ${timeoutMs} ms`, 'TimeoutError')),
      timeoutMs,
    )
    try {
      const either = signal === undefined ? late.signal : AbortSignal.any([signal, late.signal])
      const response = await fetch(endpoint, { method: 'POST', headers, body, redirect: 'manual', signal: either })
      const text = await textOf(response)
      if (!response.ok) throw refusalOf(response, text, withoutSecrets)
      return counted(embeddingsIn(response, text), texts.length)
    } finally {
      clearTimeout(timer)
    }
  }
  return Object.assign(embed, { model })
}

function endpointOf(url: string): URL {
  const endpoint = new URL(url)
  if (endpoint.username !== '' || endpoint.password !== '')
    throw new InvalidInputError('url', 'must have no user name and no password: give them as apiKey or in headers')
  const path = endpoint.pathname.replace(/\/$/, '')
  endpoint.pathname = path.endsWith('/embeddings') ? path : `${path}/embeddings`
  return endpoint
}

/** Errors here do not show the secret value. */
function headersOf({ apiKey, headers }: OpenAiEmbeddingsOptions): Headers {
  if (apiKey !== undefined && (typeof apiKey !== 'string' || !/^[!-~]+$/.test(apiKey)))
    throw new InvalidInputError('apiKey', 'must be text of ASCII characters without blanks')
  try {
    const all = new Headers(headers)
    all.set('content-type', 'application/json')
    all.set('accept', 'application/json')
    if (apiKey !== undefined) all.set('authorization', `Bearer ${apiKey}`)
    return all
  } catch {
    throw new InvalidInputError('headers', 'must be names and values that HTTP allows')
  }
}

/** Removes secrets from messages: some providers repeat a wrong key in their error. */
const hiding = (given: readonly (string | undefined)[]) => {
  // Short values are not secrets, and may be parts of words.
  const secrets = given.filter((text) => text !== undefined && text.length >= 8)
  return (text: string) => secrets.reduce<string>((shown, secret) => shown.replaceAll(secret!, '***'), text)
}

async function textOf(response: Response): Promise<string> {
  const decoder = new TextDecoder()
  let [text, bytes] = ['', 0]
  for await (const piece of response.body ?? []) {
    bytes += piece.length
    if (bytes > maxAnswerBytes)
      throw new EmbeddingCallError(`the answer is longer than ${maxAnswerBytes} bytes`, { headers: response.headers })
    text += decoder.decode(piece, { stream: true })
  }
  return text + decoder.decode()
}

function refusalOf(
  { status, statusText, headers, url }: Response,
  text: string,
  withoutSecrets: (text: string) => string,
): EmbeddingCallError {
  const { message, code } = errorIn(text)
  const redirect = status < 400 ? elsewhere(headers, url) : undefined
  const said = redirect ?? message ?? (isHtml(text) ? 'an HTML page' : text.trim())
  const problem = [`${status} ${statusText}`.trim(), withoutSecrets(said).slice(0, 500).toWellFormed()]
    .filter((part) => part !== '')
    .join(': ')
  return new EmbeddingCallError(problem, { status, headers, providerCode: code })
}

/** The target of a redirect without its query, which may contain secrets. */
function elsewhere(headers: Headers, url: string): string | undefined {
  const location = headers.get('location')
  if (location === null) return undefined
  const to = URL.parse(location, url)
  return `it points to ${to === null ? location : `${to.origin}${to.pathname}`}, and redirects are not followed`
}

const isHtml = (text: string) => /^\s*</.test(text)

const errorBody = z.object({ message: z.string().optional(), code: z.unknown().optional(), type: z.unknown().optional() })
const errorAnswer = z.object({
  error: z.union([z.string(), errorBody]).optional(),
  message: z.unknown().optional(),
  detail: z.unknown().optional(),
})

/**
 * `{ error: { message, code } }` as OpenAI has it; others send `{ error }`, `{ message }` or `{
 * detail }`.
 */
function errorIn(text: string): { message?: string; code?: string } {
  const { data } = errorAnswer.safeParse(parsed(text))
  if (data === undefined) return {}
  const { error, message, detail } = data
  if (typeof error === 'object') {
    const code = [error.code, error.type].find((each) => typeof each === 'string')
    return { message: error.message, code }
  }
  const said = error ?? message ?? detail
  return said === undefined ? {} : { message: typeof said === 'string' ? said : JSON.stringify(said) }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}

const answer = z.object({ data: z.array(z.object({ index: z.int().min(0).optional(), embedding: z.unknown().optional() })) })

function embeddingsIn({ headers }: Response, text: string): number[][] {
  const { data } = answer.safeParse(parsed(text))
  if (data === undefined)
    throw new EmbeddingCallError(`the answer is ${isHtml(text) ? 'an HTML page' : 'not that of an embeddings endpoint'}`, { headers })
  const items = data.data
  const indexes = new Set(items.flatMap(({ index }) => index ?? []))
  if (indexes.size === 0) return items.map(({ embedding }) => numbersIn(embedding))
  if (indexes.size < items.length) throw new EmbeddingCallError('the answer has an index twice, or lacks one', { headers })
  return items.toSorted((a, b) => a.index! - b.index!).map(({ embedding }) => numbersIn(embedding))
}

/**
 * A value that is not a number becomes NaN, and one that is not an embedding an empty array: the
 * caller refuses both.
 */
function numbersIn(embedding: unknown): number[] {
  if (typeof embedding === 'string') return float32In(Buffer.from(embedding, 'base64'))
  return Array.isArray(embedding) ? embedding.map((value: unknown) => (typeof value === 'number' ? value : Number.NaN)) : []
}

function float32In(bytes: Buffer): number[] {
  if (bytes.length % 4 !== 0) return []
  return Array.from({ length: bytes.length / 4 }, (_, at) => bytes.readFloatLE(at * 4))
}
