import { InvalidInputError } from '../../../../schema/errors.ts'
import { emptyTime, type WrittenTime } from './writtenTime.ts'
import { ambiguousZones, zoneMinutes } from './zoneNames.ts'

/** How times are written. */
export interface TimePattern {
  /** The letters: `yyyy-MM-dd HH:mm:ss`. */
  readonly text: string
  /** The time at a position of a line, and where it ends; undefined if no time is there. */
  match(line: string, at: number): { time: WrittenTime; end: number } | undefined
}

/** Where a part of a time ends; -1 if it is not there. */
type Step = (line: string, at: number, time: Draft) => number

interface Draft extends WrittenTime {
  afternoon: boolean | undefined
}

/**
 * Reads a pattern of times, in the letters of Java's `DateTimeFormatter`.
 *
 * | letters | |
 * |---|---|
 * | `yyyy`, `yy` | the year; of two digits 69 and above are of the last century |
 * | `MM`, `M`, `MMM` | the month: two digits, one or two, an English name |
 * | `dd`, `d`, `EEE` | the day; the name of the day, which does not count |
 * | `HH`, `H`, `hh`, `h` with `a` | the hour; of twelve with AM or PM |
 * | `mm`, `m`, `ss`, `s`, `S` | minute, second, any number of digits of a fraction |
 * | `Z` | the zone: `Z`, `+02:00`, `+0200`, `CEST` |
 * | `epoch` | seconds since 1970, with a fraction; or milliseconds, microseconds, nanoseconds by the number of digits |
 * | `[...]` | may be missing |
 * | a blank | blanks; also a `T` |
 * | a point before `S` | also a comma |
 * | anything else, `'text'` | itself |
 *
 * @throws InvalidInputError naming `field`.
 */
export function timePattern(text: string, field = 'time'): TimePattern {
  if (text === 'epoch') return { text, match: epochAt }
  const steps = stepsOf(text, field)
  return {
    text,
    match(line, at) {
      const time: Draft = { ...emptyTime(), afternoon: undefined }
      const end = inOrder(steps, line, at, time)
      // A number that goes on is another number.
      if (end <= at || isDigit(line.charCodeAt(end))) return undefined
      if (time.afternoon !== undefined) time.hour = (time.hour % 12) + (time.afternoon ? 12 : 0)
      return { time, end }
    },
  }
}

const inOrder = (steps: readonly Step[], line: string, at: number, time: Draft): number => {
  let end = at
  for (const step of steps) {
    end = step(line, end, time)
    if (end === -1) return -1
  }
  return end
}

function stepsOf(text: string, field: string): Step[] {
  const open: Step[][] = [[]]
  for (const [token] of text.matchAll(/([A-Za-z])\1{0,9}|'[^']{0,99}'?| {1,9}|./g)) {
    if (token === '[') open.push([])
    else if (token === ']') {
      const inner = open.pop()!
      if (open.length === 0) throw new InvalidInputError(field, `the pattern ${JSON.stringify(text)} has a ] without a [`)
      open.at(-1)!.push((line, at, time) => {
        const end = inOrder(inner, line, at, time)
        return end === -1 ? at : end
      })
    } else if (letters[token] !== undefined) open.at(-1)!.push(letters[token])
    else if (/^[A-Za-z]/.test(token))
      throw new InvalidInputError(
        field,
        `the pattern ${JSON.stringify(text)} has the letters ${token}, which mean nothing; use ${Object.keys(letters).join(', ')}, and quotes around other text`,
      )
    else if (token.startsWith(' ')) open.at(-1)!.push(blanks)
    else open.at(-1)!.push(...token.replaceAll("'", '').split('').map(literal))
  }
  if (open.length > 1) throw new InvalidInputError(field, `the pattern ${JSON.stringify(text)} has a [ without a ]`)
  return open[0]!
}

const isDigit = (code: number) => code >= 48 && code <= 57
const isLetter = (code: number) => (code >= 65 && code <= 90) || (code >= 97 && code <= 122)
const isBlank = (code: number) => code === 32 || code === 9

const literal = (character: string): Step =>
  character === '.'
    ? (line, at) => (line[at] === '.' || line[at] === ',' ? at + 1 : -1)
    : (line, at) => (line[at] === character ? at + 1 : -1)

const blanks: Step = (line, at) => {
  let end = at
  while (isBlank(line.charCodeAt(end))) end += 1
  return end > at ? end : line[at] === 'T' ? at + 1 : -1
}

/** A number of this many digits, in these bounds. */
const number =
  (least: number, most: number, min: number, max: number, set: (time: Draft, value: number) => void): Step =>
  (line, at, time) => {
    let [end, value] = [at, 0]
    while (end - at < most && isDigit(line.charCodeAt(end))) {
      value = value * 10 + line.charCodeAt(end) - 48
      end += 1
    }
    if (end - at < least || value < min || value > max) return -1
    set(time, value)
    return end
  }

const fraction: Step = (line, at, time) => {
  let [end, value, unit] = [at, 0, 100_000_000]
  for (; isDigit(line.charCodeAt(end)); end += 1) {
    value += (line.charCodeAt(end) - 48) * unit
    unit = unit === 1 ? 0 : unit / 10
  }
  if (end > at) time.nanosecond = value
  return end > at ? end : -1
}

const months = 'January February March April May June July August September October November December'.split(' ')
const days = 'Monday Tuesday Wednesday Thursday Friday Saturday Sunday'.split(' ')

/** An English name, or its first three letters. */
const name =
  (names: readonly string[], set: (time: Draft, index: number) => void): Step =>
  (line, at, time) => {
    const short = line.slice(at, at + 3).toLowerCase()
    const index = names.findIndex((name) => name.slice(0, 3).toLowerCase() === short)
    if (index === -1) return -1
    const whole = names[index]!
    const end = line.slice(at, at + whole.length).toLowerCase() === whole.toLowerCase() ? at + whole.length : at + 3
    if (isLetter(line.charCodeAt(end))) return -1
    set(time, index)
    return end
  }

const zone: Step = (line, at, time) => {
  const from = isBlank(line.charCodeAt(at)) ? at + 1 : at
  let end = from
  while (end - from < 5 && isLetter(line.charCodeAt(end))) end += 1
  const word = line.slice(from, end).toUpperCase()
  if (word === '') return offsetAt(line, from, time, offsetText)
  if (word === 'UTC' || word === 'GMT') {
    const offset = offsetAt(line, end, time, offsetBehindName)
    if (offset !== -1) return offset
  }
  // Of a level or a host, the letters are only a part; names in small letters are words.
  if (/[\w-]/.test(line[end] ?? '') || (word !== 'Z' && word !== line.slice(from, end))) return -1
  const minutes = zoneMinutes.get(word)
  if (minutes !== undefined) return setZone(time, minutes, end)
  return ambiguousZones.has(word) ? setZone(time, word, end) : -1
}

function setZone(time: Draft, zone: number | string, end: number): number {
  time.zone = zone
  return end
}

const offsetText = /([+-])(\d\d)(?::?(\d\d))?(?!\d)/y
const offsetBehindName = /([+-])(\d{1,2})(?::?(\d\d))?(?!\d)/y

/** `+02:00`, `+0200`, `+02`. */
function offsetAt(line: string, at: number, time: Draft, text: RegExp): number {
  text.lastIndex = at
  const found = text.exec(line)
  if (found === null) return -1
  const minutes = Number(found[2]) * 60 + Number(found[3] ?? 0)
  return minutes > 18 * 60 ? -1 : setZone(time, found[1] === '-' ? -minutes : minutes, text.lastIndex)
}

const meridiem: Step = (line, at, time) => {
  const word = line.slice(at, at + 2).toLowerCase()
  if (word !== 'am' && word !== 'pm') return -1
  time.afternoon = word === 'pm'
  return at + 2
}

const set =
  (field: 'year' | 'month' | 'hour' | 'minute' | 'second') =>
  (time: Draft, value: number): void => {
    time[field] = value
  }

const setDay = (time: Draft, value: number): void => {
  time.day = value
  time.hasDate = true
}

const letters: Readonly<Record<string, Step>> = {
  yyyy: number(4, 4, 1900, 2999, set('year')),
  // As POSIX has it.
  yy: number(2, 2, 0, 99, (time, value) => (time.year = value + (value >= 69 ? 1900 : 2000))),
  MMM: name(months, (time, index) => (time.month = index + 1)),
  MM: number(2, 2, 1, 12, set('month')),
  M: number(1, 2, 1, 12, set('month')),
  dd: number(2, 2, 1, 31, setDay),
  d: number(1, 2, 1, 31, setDay),
  EEE: name(days, () => {}),
  HH: number(2, 2, 0, 23, set('hour')),
  H: number(1, 2, 0, 23, set('hour')),
  hh: number(2, 2, 1, 12, set('hour')),
  h: number(1, 2, 1, 12, set('hour')),
  a: meridiem,
  mm: number(2, 2, 0, 59, set('minute')),
  // A leap second is the first of the next minute.
  m: number(1, 2, 0, 59, set('minute')),
  ss: number(2, 2, 0, 60, set('second')),
  s: number(1, 2, 0, 60, set('second')),
  S: fraction,
  Z: zone,
}

const epochText = /(\d{9,10})(?:[.,](\d{1,9})\d{0,9})?(?![\d.])|(\d{13})(?![\d.])|(\d{16})(?![\d.])|(\d{19})(?![\d.])/y

function epochAt(line: string, at: number): { time: WrittenTime; end: number } | undefined {
  epochText.lastIndex = at
  const found = epochText.exec(line)
  if (found === null) return undefined
  const [, seconds, part = '', milli, micro, nano] = found
  const epoch =
    seconds !== undefined
      ? BigInt(seconds) * 1_000_000_000n + BigInt(part.padEnd(9, '0'))
      : milli !== undefined
        ? BigInt(milli) * 1_000_000n
        : micro !== undefined
          ? BigInt(micro) * 1_000n
          : BigInt(nano!)
  // Other numbers have as many digits: from 1973 to 2096 it may be a time.
  if (epoch < 100_000_000n * 1_000_000_000n || epoch > 4_000_000_000n * 1_000_000_000n) return undefined
  return { time: { ...emptyTime(), epoch }, end: epochText.lastIndex }
}
