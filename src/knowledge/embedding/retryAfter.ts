/**
 * The wait that a provider asks for, in milliseconds: from its header `Retry-After` (seconds or an
 * HTTP date) or `retry-after-ms`; undefined if it has neither, or an invalid one.
 *
 * @param headers A `Headers` object, or a record with names in any case.
 */
export function retryAfterMs(headers: unknown, now = Date.now()): number | undefined {
  const ms = secondsIn(headerOf(headers, 'retry-after-ms'))
  if (ms !== undefined) return ms
  const after = headerOf(headers, 'retry-after')
  const seconds = secondsIn(after)
  if (seconds !== undefined) return seconds * 1000
  // A date contains the name of a month; Date.parse would also accept `-1`.
  const date = after !== undefined && /[A-Za-z]{3}/.test(after) ? Date.parse(after) : Number.NaN
  return Number.isNaN(date) ? undefined : Math.max(0, date - now)
}

const secondsIn = (text: string | undefined): number | undefined =>
  text !== undefined && /^\d+(?:\.\d+)?$/.test(text) ? Number(text) : undefined

function headerOf(headers: unknown, name: string): string | undefined {
  if (typeof headers !== 'object' || headers === null) return undefined
  if (headers instanceof Headers) return headers.get(name)?.trim()
  const found: unknown = Object.entries(headers).find(([key]) => key.toLowerCase() === name)?.[1]
  const value: unknown = Array.isArray(found) ? found[0] : found
  return typeof value === 'string' || typeof value === 'number' ? String(value).trim() : undefined
}
