/**
 * The values in OTLP/JSON that are read in one check and one conversion each: a request has tens of
 * thousands of them.
 */

/** What a reader returns for a value that it refuses. */
export const wrong = Symbol('wrong')
export type Wrong = typeof wrong

/** Reads a value, or returns `wrong`. */
export type Reader<T> = (value: unknown) => T | Wrong

const integerText = /^-?\d{1,20}$/
const naturalText = /^\d{1,20}$/
const doubleText = /^(?:-?\d+(?:\.\d+)?(?:[eE][-+]?\d+)?|NaN|-?Infinity)$/
const nanosecondsText = /^(?:\d{1,20}|-6795364578871345152)$/

/**
 * Go's value for a time that was never set: year 1, wrapped around in 64 bits, signed or unsigned.
 */
const goZeroTimes: ReadonlySet<bigint> = new Set([-6795364578871345152n, 11651379494838206464n])

const isNatural = (value: number) => Number.isInteger(value) && value >= 0 && value < 2 ** 64

export function readNanoseconds(value: unknown): bigint | Wrong {
  if (typeof value === 'string' ? !nanosecondsText.test(value) : typeof value === 'number' ? !isNatural(value) : typeof value !== 'bigint')
    return wrong
  const time = BigInt(value as string | number | bigint)
  return goZeroTimes.has(time) ? 0n : time
}

export function readInteger(value: unknown): number | Wrong {
  if (typeof value === 'number') return Number.isInteger(value) ? value : wrong
  return typeof value === 'string' && integerText.test(value) ? Number(value) : wrong
}

export function readCount(value: unknown): number | Wrong {
  const number = typeof value === 'string' && naturalText.test(value) ? Number(value) : value
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : wrong
}

export function readDouble(value: unknown): number | Wrong {
  if (typeof value === 'number') return value
  return typeof value === 'string' && doubleText.test(value) ? Number(value) : wrong
}

const lowerHex = /^[0-9a-f]*$/
const hexText = /^[0-9a-fA-F]*$/
const zeros = /^0+$/
const base64Text = /^[A-Za-z0-9+/]+=*$/

/** An id of this many bytes as hex or base64, in lower-case hex; an id of zeros is absent. */
const idOf =
  (bytes: 8 | 16): Reader<string> =>
  (value) => {
    if (value == null || value === '') return ''
    if (typeof value !== 'string') return wrong
    let hex: string
    if (value.length === bytes * 2) {
      if (!hexText.test(value)) return wrong
      hex = lowerHex.test(value) ? value : value.toLowerCase()
    } else if (value.length === Math.ceil(bytes / 3) * 4 && base64Text.test(value)) hex = Buffer.from(value, 'base64').toString('hex')
    else return wrong
    return zeros.test(hex) ? '' : hex
  }

export const readTraceId = idOf(16)
export const readSpanId = idOf(8)

/** An enum value by its number, as a number or a text, or by its name. */
const enumOf = (prefix: string, names: readonly string[]): Reader<number> => {
  const numbers = new Map(names.map((name, number) => [prefix + name, number]))
  return (value) => {
    if (typeof value === 'number') return Number.isInteger(value) ? value : wrong
    if (typeof value !== 'string') return wrong
    return numbers.get(value) ?? (integerText.test(value) ? Number(value) : wrong)
  }
}

const severities = ['TRACE', 'DEBUG', 'INFO', 'WARN', 'ERROR', 'FATAL'].flatMap((name) => [name, `${name}2`, `${name}3`, `${name}4`])

export const readSpanKind = enumOf('SPAN_KIND_', ['UNSPECIFIED', 'INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'])
export const readStatusCode = enumOf('STATUS_CODE_', ['UNSET', 'OK', 'ERROR'])
export const readSeverity = enumOf('SEVERITY_NUMBER_', ['UNSPECIFIED', ...severities])
export const readTemporality = enumOf('AGGREGATION_TEMPORALITY_', ['UNSPECIFIED', 'DELTA', 'CUMULATIVE'])

/** A value in OTLP/JSON; at most one field is set, and none means empty. */
export interface AnyValue {
  stringValue?: string | null
  boolValue?: boolean | null
  intValue?: string | number | null
  doubleValue?: string | number | null
  bytesValue?: string | null
  arrayValue?: { values?: AnyValue[] | null } | null
  kvlistValue?: { values?: KeyValue[] | null } | null
}
export interface KeyValue {
  /** Absent if it is empty. */
  key?: string | null
  value?: AnyValue | null
}

/**
 * Attributes nest without a limit in the protocol; nesting deeper than this is an attack on the
 * stack.
 */
const maxDepth = 64

// Attributes are checked in place, without the copy that a schema makes: they are most of every
// request, and most of them are never read.
export function isAnyValue(value: unknown, depth = 0): value is AnyValue {
  if (!isObject(value) || depth > maxDepth) return false
  const { stringValue, boolValue, intValue, doubleValue, bytesValue, arrayValue, kvlistValue } = value
  return (
    (stringValue == null || typeof stringValue === 'string') &&
    (boolValue == null || typeof boolValue === 'boolean') &&
    (intValue == null || typeof intValue === 'string' || typeof intValue === 'number') &&
    (doubleValue == null || typeof doubleValue === 'string' || typeof doubleValue === 'number') &&
    (bytesValue == null || typeof bytesValue === 'string') &&
    (arrayValue == null || (isObject(arrayValue) && isListOf(arrayValue['values'], (item) => isAnyValue(item, depth + 1)))) &&
    (kvlistValue == null || (isObject(kvlistValue) && isListOf(kvlistValue['values'], (item) => isKeyValue(item, depth + 1))))
  )
}

function isKeyValue(item: unknown, depth = 0): item is KeyValue {
  return (
    isObject(item) &&
    (item['key'] == null || typeof item['key'] === 'string') &&
    (item['value'] == null || isAnyValue(item['value'], depth))
  )
}

export const isObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value)
const isListOf = (list: unknown, isItem: (item: unknown) => boolean) => list == null || (Array.isArray(list) && list.every(isItem))

/** Checks attributes in place; reads an absent list as an empty one. */
export const readAttributes: Reader<KeyValue[]> = (list) => {
  if (list == null) return []
  if (!Array.isArray(list)) return wrong
  for (const item of list) if (!isKeyValue(item)) return wrong
  return list as KeyValue[]
}
