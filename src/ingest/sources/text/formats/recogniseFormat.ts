import { inferHeader } from './inferHeader.ts'
import { HeaderTemplate } from './headerTemplate.ts'
import { knownFormats, recordOf, type Placement } from './knownFormats.ts'
import type { LineFormat } from './lineFormat.ts'
import { jsonLines, logfmt } from './structuredFormats.ts'
import { withoutDate } from '../time/logClock.ts'
import { dateOrders, knownPatterns, patternsWithoutDate, type DateOrder, type KnownPattern } from '../time/timePatterns.ts'
import type { TimePattern } from '../time/timePattern.ts'

/** What is wrong with the lines of a log, and what to give. */
export interface NotRecognised {
  readonly reason: string
}

export interface RecogniseOptions {
  readonly header?: readonly HeaderTemplate[] | undefined
  readonly dateOrder?: DateOrder | undefined
  /** Whether times need no date. */
  readonly isDated?: boolean
  /** Whether the times of the lines do not count: a container's do. */
  readonly isTimed?: boolean
}

/** A format fits if this share of the lines begins a record; those that begin with a blank do not count. */
const leastShare = 0.01
/** JSON and logfmt are preferred if they fit nearly as many lines as have a time in one place. Also the share of lines that have a level before it. */
const nearly = 0.9
/** A known format reads lines that do not quite fit, too. */
const leastKnownShare = 0.5
/** This many lines show the place of the time. */
const maxTried = 120
/** Of several places or forms the first counts that has this share of the best one's lines. */
const asGood = 0.95
/** Other numbers look like seconds since 1970: they count if this share of the lines has one. */
const leastEpochShare = 0.5

/**
 * Chooses the format that fits most of the first lines. One format is chosen for all lines of a
 * source.
 */
export function recogniseFormat(lines: readonly string[], options: RecogniseOptions = {}): LineFormat | NotRecognised {
  const sample = lines.filter((line) => line.trim() !== '')
  if (options.header !== undefined) return givenFormat(sample, options.header, options)
  const structured = [jsonLines, logfmt]
    .map((format) => ({ format, count: count(sample, format) }))
    .toSorted((a, b) => b.count - a.count)[0]!
  const places = placesOfTime(sample, options)
  const begun = places[0]?.count ?? 0
  if (structured.count >= Math.max(begun, 1) * nearly && structured.count >= sample.length / 2) return structured.format
  const least = Math.max(1, sample.filter((line) => !/^\s/.test(line)).length * leastShare)
  const known = knownFormats(places)
    .map((format) => ({ format, count: count(sample, format) }))
    .toSorted((a, b) => b.count - a.count)[0]!
  if (known.count >= least && known.count >= begun * leastKnownShare) return known.format
  if (begun < least) return { reason: noHeader(sample) }
  // Of several times in a line, the first one that a level follows.
  const headers = places.map((place) => ({ place, header: headerAt(sample, place) }))
  const { place, header } = headers.find(({ header }) => header.includes('<level>')) ?? headers[0]!
  const bind = (pattern: TimePattern) => HeaderTemplate.read(`${place.prefix}<time><message>`).with(pattern)
  return decided(sample, place.pattern, bind, options, (pattern) => formatOf(header, { ...place, pattern }))
}

const count = (sample: readonly string[], { fits }: LineFormat): number => sample.filter(fits).length

/** Where the time stands in the lines, and in which form. */
interface Place extends Placement {
  pattern: KnownPattern
  count: number
}

const words = (number: number) => '<_> '.repeat(number)
/** What may precede the time; a line that begins with a blank is seldom a header. */
const prefixes = [
  '',
  '[',
  '(',
  ...[1, 2, 3, 4].flatMap((number) => [words(number), `${words(number)}[`]),
  '<_>[',
  '<_>(',
  '\\<<_>>',
  '"',
  ' ',
]

/** The places where most lines have a time, from the left: one for each prefix. */
function placesOfTime(sample: readonly string[], options: RecogniseOptions): Place[] {
  // Evenly from the whole sample, since a day and a month show only somewhere.
  const timed = sample.filter(mayHaveTime)
  const step = Math.max(1, Math.floor(timed.length / maxTried))
  const tried = timed.filter((_, index) => index % step === 0)
  const patterns = usable(options)
  const isFrequent = (count: number) => (count / tried.length) * (timed.length / sample.length) >= leastEpochShare
  const places = prefixes.flatMap((prefix) => {
    const template = HeaderTemplate.read(`${prefix}<time><message>`)
    return patterns
      .map((pattern) => ({ prefix, pattern, count: countTimes(tried, template.with(pattern)) }))
      .filter(({ pattern, count }) => count > 0 && (pattern.text !== 'epoch' || isFrequent(count)))
  })
  const most = Math.max(0, ...places.map(({ count }) => count))
  const good = places.filter(({ count }) => count >= most * asGood)
  return good
    .filter(({ prefix }, index) => good.findIndex((other) => other.prefix === prefix) === index)
    .map((place) => ({ ...place, count: countTimes(sample, plainTemplate(place)) }))
}

const plainTemplate = ({ prefix, pattern }: Placement) => HeaderTemplate.read(`${prefix}<time><message>`).with(pattern)

/** Whether there is anything in a line that can be a time. */
const mayHaveTime = (line: string): boolean => /\d[\d:.,/-]{3}/.test(line.length > 1024 ? line.slice(0, 1024) : line)

const countTimes = (sample: readonly string[], template: HeaderTemplate): number =>
  sample.reduce((sum, line) => sum + (template.match(line, 'exact', true) === undefined ? 0 : 1), 0)

/** The patterns that agree with a date order that was given. */
const usable = ({ dateOrder, isDated }: RecogniseOptions): readonly KnownPattern[] =>
  (isDated === true ? [...knownPatterns, ...patternsWithoutDate] : knownPatterns).filter(
    ({ order }) => order === undefined || dateOrder === undefined || order === dateOrder,
  )

/** A date of numbers is read in the order that fits all lines; if several do, it must be given. */
function decided<Result>(
  sample: readonly string[],
  pattern: KnownPattern,
  bind: (pattern: TimePattern) => HeaderTemplate,
  options: RecogniseOptions,
  result: (pattern: KnownPattern, count: number) => Result,
): Result | NotRecognised {
  if (pattern.order === undefined) return result(pattern, countTimes(sample, bind(pattern)))
  const form = formOf(pattern)
  const twins = usable(options)
    .filter((other) => other.order !== undefined && formOf(other) === form)
    .map((pattern) => ({ pattern, count: countTimes(sample, bind(pattern)) }))
    .toSorted((a, b) => b.count - a.count)
  const most = twins[0]!.count
  const possible = twins.filter(({ count }) => count === most)
  if (possible.length > 1 && options.isTimed !== true) {
    const orders = dateOrders.filter((order) => possible.some(({ pattern }) => pattern.order === order))
    return {
      reason: `the dates can be read as ${orders.join(' or ')} (d day, m month, y year): give the date order`,
    }
  }
  return result(possible[0]!.pattern, most)
}

/** Patterns that differ in the order of their date only have the same form. */
const formOf = ({ text }: TimePattern): string =>
  text.replace(
    /^[dMy]+([/.-])[dMy]+(?:[/.-][dMy]+)?/,
    (date, separator: string) => `${separator}${date.includes('yyyy') ? 'yyyy' : date.includes('yy') ? 'yy' : ''}`,
  )

/** A header that was given: lines without it continue the record before. */
function givenFormat(sample: readonly string[], headers: readonly HeaderTemplate[], options: RecogniseOptions): LineFormat | NotRecognised {
  const bound: HeaderTemplate[] = []
  for (const header of headers) {
    if (!header.isOpen) {
      bound.push(header)
      continue
    }
    const tried = usable(options).map((pattern) => ({ pattern, count: countTimes(sample.slice(0, maxTried), header.with(pattern)) }))
    const most = Math.max(...tried.map(({ count }) => count))
    if (most === 0) continue
    const best = tried.find(({ count }) => count >= most * asGood)!
    const found = decided(
      sample,
      best.pattern,
      (pattern) => header.with(pattern),
      options,
      (pattern) => header.with(pattern),
    )
    if ('reason' in found) return found
    bound.push(found)
  }
  const read: LineFormat['read'] = (line) => {
    for (const header of bound) {
      const found = header.match(line, 'exact', true)
      if (found !== undefined) return recordOf(line, found)
    }
    return undefined
  }
  const format: LineFormat = {
    name: 'header as given',
    header: bound[0]?.text,
    joins: true,
    read,
    fits: (line) => read(line) !== undefined,
  }
  return count(sample, format) === 0
    ? {
        reason:
          'no line begins with the header that was given, or its time is in a form that must be given too, such as <time:dd.MM.yyyy HH:mm>',
      }
    : format
}

/** The header of lines with a time in one place: what precedes and follows it is inferred from them. */
function headerAt(sample: readonly string[], place: Place): string {
  const plain = plainTemplate(place)
  const rests = sample.flatMap((line) => {
    const header = plain.match(line)
    return header === undefined ? [] : [restOf(line, header.at)]
  })
  const prefix = withLevel(sample, place)
  return `${prefix}<time>${inferHeader(rests, prefix)}<message>`.replaceAll('><', '> <')
}

/** The prefix, in which one of the words may be the level. */
function withLevel(sample: readonly string[], { prefix, pattern, count }: Place): string {
  for (const { index } of prefix.matchAll(/<_>/g)) {
    const named = `${prefix.slice(0, index)}<level>${prefix.slice(index + '<_>'.length)}`
    if (sample.filter((line) => plainTemplate({ prefix: named, pattern }).match(line) !== undefined).length >= count * nearly) return named
  }
  return prefix
}

function formatOf(header: string, { prefix, pattern }: Placement): LineFormat {
  const plain = plainTemplate({ prefix, pattern })
  const template = HeaderTemplate.read(header).with(pattern)
  return {
    name: 'recognised header',
    header: template.text,
    joins: true,
    read(line) {
      const found = template.match(line, 'partial') ?? plain.match(line)
      if (found === undefined) return undefined
      const record = recordOf(line, found)
      // What separates another part of the header from the message.
      return { ...record, message: record.message.replace(/^(?:[:|]|-{1,3})\s{1,100}(?=\S)/, '') }
    },
    fits: (line) => plain.match(line) !== undefined,
  }
}

/** What follows the time, with the blanks before it: they are a part of the header. */
const restOf = (line: string, at: number): string => (at > 0 && /\s/.test(line[at - 1]!) ? ` ${line.slice(at)}` : line.slice(at))

function noHeader(sample: readonly string[]): string {
  const isClock = sample.filter((line) => /^\[?\d\d:\d\d:\d\d/.test(line)).length > sample.length / 2
  return isClock
    ? withoutDate
    : 'no header with a time is in its lines: give the header, such as "<time> <level> [<thread>] <logger> - <message>"'
}
