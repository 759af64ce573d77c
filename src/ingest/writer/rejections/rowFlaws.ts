import { minuteMilliseconds, windowMilliseconds, type IngestWindow, type Locator } from '../../rollups/windows/ingestWindow.ts'
import { severities } from '../../../schema/severity.ts'
import { isPlainObject, jsonFlaw, textFlaw, type Flaw } from '../../../schema/text.ts'
import { encodeHistogram, type ExponentialHistogram } from '../../../sketch/exponentialHistogram.ts'

/** What the rows of a window are checked against. */
export interface RowContext {
  from: Date
  /** The URNs of the window's resources that can be stored. */
  resources: ReadonlySet<string>
  locators: readonly Locator[]
  /** Also histograms, which are checked as they are written. */
  thorough: boolean
}

type Row<List extends 'metrics' | 'calls' | 'patterns' | 'sketches' | 'locators'> = IngestWindow[List][number]

/** What is wrong with a field; undefined if nothing is. */
type Check<R> = (value: unknown, row: R, context: RowContext) => Flaw | string | undefined

/** A check of each field of a row. */
export type Checks<R> = readonly (readonly [keyof R & string, Check<R>])[]

/** The first field of a row that cannot be stored. */
export function rowFlaw<R>(row: R, checks: Checks<R>, context: RowContext): Flaw | undefined {
  if (typeof row !== 'object' || row === null) return { path: [], message: 'must be an object' }
  for (const [field, check] of checks) {
    const flaw = check(row[field], row, context)
    if (flaw === undefined) continue
    return typeof flaw === 'string' ? { path: [field], message: flaw } : { path: [field, ...flaw.path], message: flaw.message }
  }
  return undefined
}

const text = (value: unknown) => (typeof value === 'string' ? textFlaw(value) : 'must be text')

const textOrNull = (value: unknown) => (value === null ? undefined : text(value))

/** A text of 1 to 255 bytes. */
function name(value: unknown): string | undefined {
  const flaw = text(value)
  if (flaw !== undefined) return flaw
  const { length } = value as string
  if (length === 0) return 'must not be empty'
  return length > 85 && Buffer.byteLength(value as string) > 255 ? 'must be at most 255 bytes long' : undefined
}

const object = (value: unknown) => (isPlainObject(value) ? jsonFlaw(value) : 'must be a JSON object')

function texts(value: unknown): Flaw | string | undefined {
  if (!isPlainObject(value)) return 'must be an object of texts'
  const other = Object.keys(value).find((key) => typeof value[key] !== 'string')
  return other === undefined ? jsonFlaw(value) : { path: [other], message: 'must be text' }
}

const oneOf = (values: readonly string[]) => (value: unknown) =>
  values.includes(value as string) ? undefined : `must be one of ${values.join(', ')}`

/** NaN and the infinite ones are stored as null. */
const numberOrNull = (value: unknown) => (value === null || typeof value === 'number' ? undefined : 'must be a number or null')

const ratioOrNull = (value: unknown) =>
  numberOrNull(value) ??
  (value !== null && Number.isFinite(value) && !((value as number) >= 0 && (value as number) <= 1) ? 'must be from 0 to 1' : undefined)

const wholeNumber = (value: unknown) => (Number.isInteger(value) && (value as number) >= 0 ? undefined : 'must be a whole number from 0')

/** The greatest double that is an int8. */
const greatestInt8 = 2 ** 63 - 1024
const count = (value: unknown) =>
  wholeNumber(value) ??
  ((value as number) > greatestInt8 ? `must be at most ${greatestInt8.toLocaleString('en', { useGrouping: false })}` : undefined)

const countUpTo =
  <R>(most: keyof R & string): Check<R> =>
  (value, row) =>
    wholeNumber(value) ?? ((value as number) > (row[most] as number) ? `must be at most ${most}` : undefined)

function histogram(value: unknown, _: unknown, { thorough }: RowContext): string | undefined {
  if (value === null) return undefined
  if (!Array.isArray(value)) return 'must be a histogram or null'
  if (!thorough) return undefined
  try {
    encodeHistogram(value as ExponentialHistogram)
    return undefined
  } catch (error) {
    return error instanceof Error ? error.message.replace(/^\w+: /, '') : String(error)
  }
}

const resource = (value: unknown, _: unknown, { resources }: RowContext) =>
  resources.has(value as string) ? undefined : 'must be the URN of a resource of the window that can be stored'

const locator = (value: unknown, _: unknown, { locators }: RowContext) =>
  Number.isInteger(value) && (value as number) >= 0 && (value as number) < locators.length
    ? undefined
    : 'must be the index of a locator of the window'

function date(value: unknown): string | undefined {
  const time = value instanceof Date ? value.getTime() : Number.NaN
  return time >= earliest && time < latest ? undefined : 'must be a Date of the years 1 to 9999'
}
const earliest = Date.parse('0001-01-01T00:00:00Z')
const latest = Date.parse('9999-12-31T23:59:59.999Z')

const windowStart = (value: unknown, _: unknown, { from }: RowContext) =>
  value instanceof Date && value.getTime() === from.getTime() ? undefined : 'must be the start of the window'

function windowMinute(value: unknown, _: unknown, { from }: RowContext): string | undefined {
  const since = value instanceof Date ? value.getTime() - from.getTime() : Number.NaN
  return since >= 0 && since < windowMilliseconds && since % minuteMilliseconds === 0
    ? undefined
    : 'must be the start of a minute of the window'
}

export const metricChecks: Checks<Row<'metrics'>> = [
  ['bucket', windowMinute],
  ['resource', resource],
  ['metric', name],
  ['labels', object],
  ['unit', textOrNull],
  ['kind', oneOf(['gauge', 'counter', 'histogram', 'summary'])],
  ['avg', numberOrNull],
  ['max', numberOrNull],
  ['p95', numberOrNull],
  ['sampleCount', wholeNumber],
  ['histogram', histogram],
]

export const callChecks: Checks<Row<'calls'>> = [
  ['bucket', windowStart],
  ['from', resource],
  ['to', resource],
  ['callCount', count],
  ['errorCount', countUpTo('callCount')],
  ['rps', numberOrNull],
  ['errRate', ratioOrNull],
  ['p50Ms', numberOrNull],
  ['p95Ms', numberOrNull],
  ['histogram', histogram],
  ['calleeCount', countUpTo('callCount')],
  ['calleeP50Ms', numberOrNull],
  ['calleeP95Ms', numberOrNull],
  ['calleeHistogram', histogram],
  ['locator', locator],
]

export const patternChecks: Checks<Row<'patterns'>> = [
  ['bucket', windowStart],
  ['resource', resource],
  ['maskedLine', text],
  ['sampleMessage', text],
  ['severity', (value) => (value === null ? undefined : oneOf(severities)(value))],
  ['attrsSchema', texts],
  ['countTotal', count],
  ['countError', countUpTo('countTotal')],
  ['firstSeen', date],
  ['lastSeen', date],
  ['locator', locator],
]

export const sketchChecks: Checks<Row<'sketches'>> = [
  ['bucket', windowStart],
  ['resource', resource],
  ['dimension', name],
  ['countTotal', count],
  ['countError', countUpTo('countTotal')],
  ['distinct', text],
  ['distinctError', textOrNull],
  ['heavyHitters', object],
]

export const locatorChecks: Checks<Locator> = [
  ['dataset', oneOf(['logs', 'traces', 'metrics'])],
  ['objectBucket', text],
  ['objectKey', text],
  ['tFrom', date],
  ['tTo', (value, { tFrom }) => date(value) ?? ((value as Date) < tFrom ? 'must not be before tFrom' : undefined)],
  ['queryHint', text],
  ['attributes', object],
]
