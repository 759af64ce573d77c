import { isObject } from '../../json.ts'
import type { LineFormat, LineRecord } from './lineFormat.ts'
import { knownPatterns, type KnownPattern } from '../time/timePatterns.ts'
import type { WrittenTime } from '../time/writtenTime.ts'

/** The fields that may hold the time of a structured record; the first that has one counts. */
const timeFields = [
  '@timestamp',
  'timestamp',
  'time',
  'ts',
  '@t',
  't',
  'datetime',
  'date_time',
  'date',
  'asctime',
  'eventtime',
  'event_time',
  'timemillis',
  'instant',
  '__realtime_timestamp',
  '_source_realtime_timestamp',
  'created',
  'created_at',
  'record.log_time',
  'log.time',
]

/** Of a date of numbers alone, nobody says the order of day and month. */
const patterns = knownPatterns.filter(({ order }) => order === undefined)

/** A time that is a whole text. */
export function timeIn(text: string): WrittenTime | undefined {
  const trimmed = text.length > 64 ? '' : text.trim()
  for (const pattern of patterns) {
    const match = pattern.match(trimmed, 0)
    if (match !== undefined && (match.end === trimmed.length || /^\[[\w/+-]+\]$/.test(trimmed.slice(match.end)))) return match.time
  }
  return undefined
}

const epochPattern: KnownPattern = patterns.at(-1)!

function timeOf(value: unknown): WrittenTime | undefined {
  if (typeof value === 'string') return timeIn(value)
  if (typeof value === 'number')
    return Number.isFinite(value) && value > 0 && value < 1e20 ? epochPattern.match(decimal(value), 0)?.time : undefined
  if (!isObject(value)) return undefined
  // MongoDB; the layout of Log4j 2.
  if (value['$date'] !== undefined) return timeOf(isObject(value['$date']) ? value['$date']['$numberLong'] : value['$date'])
  if (typeof value['epochSecond'] !== 'number') return undefined
  return timeOf(`${value['epochSecond']}.${String(Number(value['nanoOfSecond'] ?? 0)).padStart(9, '0')}`)
}

/** Without an exponent, and without digits that a double does not have. */
const decimal = (value: number) =>
  (Number.isInteger(value) ? value.toFixed(0) : value.toFixed(value < 1e11 ? 6 : 3)).replace(/^(\d{13})\.\d+$/, '$1')

/** JSON, an object a line. The message and the severity are read from the body later. */
export const jsonLines: LineFormat = {
  name: 'JSON lines',
  joins: false,
  read: readJson,
  fits: (line) => readJson(line) !== undefined,
}

function readJson(line: string): LineRecord | undefined {
  const object = objectIn(line)
  if (object === undefined) return undefined
  for (const field of timeFields) {
    const time = timeOf(fieldOf(object, field))
    if (time !== undefined) return { time, level: levelOf(object), fields: [], message: line }
  }
  return undefined
}

/** The levels in fields of their own: MongoDB's letter, PostgreSQL's jsonlog. */
function levelOf({ t, s, error_severity }: Record<string, unknown>): string | undefined {
  if (typeof error_severity === 'string') return error_severity
  return typeof s === 'string' && isObject(t) ? s : undefined
}

/** The object of a line of JSON. */
export function objectIn(line: string): Record<string, unknown> | undefined {
  if (!/^\s{0,16}\{/.test(line)) return undefined
  try {
    const value: unknown = JSON.parse(line)
    return isObject(value) ? value : undefined
  } catch {
    return undefined
  }
}

function fieldOf(object: Record<string, unknown>, name: string): unknown {
  const dot = name.indexOf('.')
  if (dot !== -1) {
    const outer = object[name.slice(0, dot)]
    return object[name] ?? (isObject(outer) ? outer[name.slice(dot + 1)] : undefined)
  }
  if (object[name] !== undefined) return object[name]
  const key = Object.keys(object).find((key) => key.toLowerCase() === name)
  return key === undefined ? undefined : object[key]
}

const pair = /(?:^|\s)(?:time|ts|t|timestamp|datetime|@timestamp)=("[^"]*"|[^\s"]+)/

/** logfmt: pairs of names and values. */
export const logfmt: LineFormat = {
  name: 'logfmt',
  joins: false,
  read: readPairs,
  fits: (line) => readPairs(line) !== undefined,
}

function readPairs(line: string): LineRecord | undefined {
  if (!/^[A-Za-z_@][\w.@/-]{0,63}=/.test(line)) return undefined
  const found = pair.exec(line.slice(0, 4096))
  const time = found === null ? undefined : timeIn(found[1]!.replaceAll('"', ''))
  return time && { time, fields: [], message: line }
}
