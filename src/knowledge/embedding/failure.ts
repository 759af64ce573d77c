import { retryAfterMs } from './retryAfter.ts'

/**
 * What an error of an embedding function means:
 *
 * - `busy`: the provider is overloaded, or cannot be reached.
 * - `fault`: something failed, perhaps because of one of the texts.
 * - `refused`: the provider does not accept one of the texts.
 * - `final`: the call cannot work with any text.
 */
export interface Failure {
  kind: 'busy' | 'fault' | 'refused' | 'final'
  /** The wait that the provider asks for, in milliseconds. */
  retryAfterMs: number | undefined
  /** What happened, in at most 500 characters. */
  message: string
}

const busyStatus = new Set([408, 425, 429, 502, 503, 504])
const refusedStatus = new Set([400, 413, 422])

/** Codes of Node.js and its fetch for a provider that does not answer. */
const busyCodes = new Set([
  'ECONNREFUSED',
  'ENOTFOUND',
  'EAI_AGAIN',
  'ETIMEDOUT',
  'ESOCKETTIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ERR_SOCKET_CONNECTION_TIMEOUT',
])

/**
 * Codes of errors that waiting does not help: an account without credit (OpenAI answers 429), an
 * invalid address, a certificate that is not trusted.
 */
const finalCodes = new Set([
  'insufficient_quota',
  'ERR_INVALID_URL',
  'ERR_TLS_CERT_ALTNAME_INVALID',
  'CERT_HAS_EXPIRED',
  'DEPTH_ZERO_SELF_SIGNED_CERT',
  'SELF_SIGNED_CERT_IN_CHAIN',
  'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
])

/**
 * Classifies an error by what it carries, since any HTTP client may have thrown it: a status, a
 * code, or the name of a time-out, in the error or one of its causes.
 */
export function failureOf(error: unknown): Failure {
  const links = chainOf(error)
  const status = firstOf(links, statusOf)
  const codes = links.flatMap(codesOf)
  const timedOut = links.some((link) => ['TimeoutError', 'AbortError'].includes(String(at(link, 'name'))))
  return {
    kind: kindOf(status, codes, timedOut),
    retryAfterMs: firstOf(links, (link) =>
      firstOf([at(link, 'headers'), at(link, 'responseHeaders'), at(link, 'response', 'headers')], (headers) => retryAfterMs(headers)),
    ),
    message: messageOf(links, status),
  }
}

function kindOf(status: number | undefined, codes: readonly string[], timedOut: boolean): Failure['kind'] {
  if (codes.some((code) => finalCodes.has(code))) return 'final'
  if (status !== undefined && status >= 300) {
    if (busyStatus.has(status)) return 'busy'
    if (refusedStatus.has(status)) return 'refused'
    return status >= 500 ? 'fault' : 'final'
  }
  return timedOut || codes.some((code) => busyCodes.has(code)) ? 'busy' : 'fault'
}

/** An error and its causes, at most eight. */
function chainOf(error: unknown): unknown[] {
  const links: unknown[] = []
  for (let link = error; link != null && links.length < 8 && !links.includes(link);) {
    links.push(link)
    // The AI SDK's RetryError keeps its last error there.
    link = at(link, 'cause') ?? at(link, 'lastError')
  }
  return links
}

function statusOf(link: unknown): number | undefined {
  const said = [at(link, 'status'), at(link, 'statusCode'), at(link, 'response', 'status'), at(link, '$metadata', 'httpStatusCode')]
  return said.find((value): value is number => typeof value === 'number' && value >= 100 && value < 600)
}

/** The error codes of Node.js, and the textual ones of providers. */
const codesOf = (link: unknown): string[] =>
  [at(link, 'code'), at(link, 'type'), at(link, 'providerCode'), at(link, 'error', 'code'), at(link, 'data', 'error', 'code')].filter(
    (code) => typeof code === 'string',
  )

function messageOf(links: readonly unknown[], status: number | undefined): string {
  const said = links
    .map((link) => (typeof link === 'string' ? link : at(link, 'message')))
    .filter((text) => typeof text === 'string' && text !== '')
  const text = [...new Set(said)].join(': ') || 'no message'
  const short = text.length > 500 ? `${text.slice(0, 500).toWellFormed()}…` : text
  return status === undefined || short.includes(String(status)) ? short : `status ${status}: ${short}`
}

function firstOf<Given, Found>(all: readonly Given[], find: (each: Given) => Found | undefined): Found | undefined {
  for (const each of all) {
    const found = find(each)
    if (found !== undefined) return found
  }
  return undefined
}

function at(value: unknown, ...path: readonly string[]): unknown {
  return path.reduce<unknown>((inner, key) => (typeof inner === 'object' && inner !== null ? Reflect.get(inner, key) : undefined), value)
}
