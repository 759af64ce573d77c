import { z } from 'zod'
import { boundedText } from '../schema/text.ts'

/**
 * The values by which evidence names rows, in one canonical form: two pieces of evidence name the
 * same row exactly if their keys are the same text.
 *
 * | column | accepted | stored |
 * |---|---|---|
 * | `uuid` | in capitals, without hyphens, in braces | `a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11` |
 * | `int8` | with leading zeros, with a `+` | `7` |
 * | `timestamptz` | a `Date`, or an ISO 8601 time with its zone, also in PostgreSQL's form | `2026-11-22T10:05:00.000Z`, with six decimals if it has microseconds |
 * | `tstzrange` | a range of two such times, or one without an end, in PostgreSQL's form | `[2026-11-22T10:05:00.000Z,)` |
 * | `text` | 1 to 1,024 bytes | unchanged |
 */
const maxLength = 1024

const written = z.string().max(maxLength, `must be at most ${maxLength} characters long`)

/** `canonical` returns undefined for an invalid value. */
const readAs = (canonical: (text: string) => string | undefined, message: string) =>
  written.transform((text, context) => {
    const value = canonical(text)
    if (value !== undefined) return value
    context.issues.push({ code: 'custom', message, input: text })
    return z.NEVER
  })

const date = z.date().transform((time, context) => {
  const canonical = canonicalTime(time.toISOString())
  if (canonical !== undefined) return canonical
  context.issues.push({ code: 'custom', message: timeProblem, input: time })
  return z.NEVER
})

const timeProblem = 'must be a Date, or a time of ISO 8601 with its zone such as 2026-11-22T10:05:00Z, from the year 1 to 9999'

/** The parser for each type of a key column. */
export const canonicalKey = {
  uuid: readAs(canonicalUuid, 'must be a UUID'),
  int8: readAs(canonicalInteger, 'must be a whole number of 64 bits'),
  timestamptz: z.union([date, readAs(canonicalTime, timeProblem)], timeProblem),
  tstzrange: readAs(canonicalRange, 'must be a range of times with their zones, such as [2026-11-22T10:05:00Z,2026-11-22T11:00:00Z)'),
  text: boundedText(maxLength),
} as const

const uuid = /^[0-9a-f]{4}(?:-?[0-9a-f]{4}){7}$/

function canonicalUuid(text: string): string | undefined {
  const lower = text.toLowerCase()
  const bare = lower.startsWith('{') && lower.endsWith('}') ? lower.slice(1, -1) : lower
  if (!uuid.test(bare)) return undefined
  const digits = bare.replaceAll('-', '')
  return [digits.slice(0, 8), digits.slice(8, 12), digits.slice(12, 16), digits.slice(16, 20), digits.slice(20)].join('-')
}

function canonicalInteger(text: string): string | undefined {
  if (!/^[+-]?\d+$/.test(text)) return undefined
  const value = BigInt(text)
  return BigInt.asIntN(64, value) === value ? String(value) : undefined
}

/** PostgreSQL's form has a blank instead of `T`, a zone of whole hours, and up to six decimals. */
const time = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d(?::\d\d)?)(?:\.(\d{1,6}))?(Z|[+-]\d\d(?::?\d\d)?)$/i

function canonicalTime(text: string): string | undefined {
  const [, day, clock, decimals = '', zone] = time.exec(text) ?? []
  if (day === undefined) return undefined
  const offset = zone!.length === 3 ? `${zone}:00` : zone!.length === 5 ? `${zone!.slice(0, 3)}:${zone!.slice(3)}` : zone!.toUpperCase()
  const moment = new Date(`${day}T${clock!.length === 5 ? `${clock}:00` : clock}${offset}`)
  // For a day that its month does not have, JavaScript takes one of the next month.
  if (Number.isNaN(moment.getTime()) || !hasDay(day)) return undefined
  const year = moment.getUTCFullYear()
  if (year < 1 || year > 9999) return undefined
  const micros = decimals.padEnd(6, '0')
  return moment.toISOString().replace('000Z', `${micros.endsWith('000') ? micros.slice(0, 3) : micros}Z`)
}

const hasDay = (day: string): boolean => new Date(`${day}T00:00:00Z`).toISOString().startsWith(day)

function canonicalRange(text: string): string | undefined {
  const [, from, to] = /^\["?([^",[\]()]+)"?,"?([^",[\]()]*)"?\)$/.exec(text) ?? []
  if (from === undefined) return undefined
  const [begin, end] = [canonicalTime(from), to === '' ? '' : canonicalTime(to!)]
  return begin === undefined || end === undefined ? undefined : `[${begin},${end})`
}
