import type { z } from 'zod'
import { otlpRequest, type OtlpPayload } from '../../schema/otlp.ts'
import { plainWords } from '../../schema/plainWords.ts'
import { wellFormedPayload } from '../../schema/wellFormedOtlp.ts'
import { isObject, listOf } from './json.ts'

/** Records of a request that are refused, and why. */
export interface RefusedRecords {
  readonly kind: 'spans' | 'metricPoints' | 'logRecords'
  /** How many: all those of a metric, a scope or a resource if the fault is in that. */
  readonly records: number
  /** The path of the wrong field: `resourceLogs.0.scopeLogs.0.logRecords.7.timeUnixNano`. */
  readonly field: string
  /**
   * The name of the field, and its problem: `logRecords.timeUnixNano must be a whole number of
   * nanoseconds`.
   */
  readonly reason: string
}

const kinds: Readonly<Record<string, RefusedRecords['kind']>> = {
  resourceSpans: 'spans',
  resourceMetrics: 'metricPoints',
  resourceLogs: 'logRecords',
}

/**
 * The nested lists of a request. A fault removes the member of the innermost list that contains it.
 */
const lists: ReadonlySet<PropertyKey> = new Set([
  ...Object.keys(kinds),
  'scopeSpans',
  'scopeMetrics',
  'scopeLogs',
  'spans',
  'metrics',
  'dataPoints',
  'logRecords',
])

/**
 * Reads an export request record by record: a wrong record is refused, and all others are read.
 *
 * A request without faults is read at once. Otherwise the faults are removed from the document, and
 * the rest is read again.
 *
 * @param document the result of `JSON.parse`; faults are removed from it.
 * @returns the request and its refused records; or the problem if it is not an export request.
 */
export function readRecords(
  document: unknown,
): { payload: OtlpPayload; refusedRecords: RefusedRecords[] } | { issue: z.core.$ZodIssue | undefined } {
  let refusedRecords = refuseUnknown(document)
  const payload = wellFormedPayload(document)
  if (payload !== undefined) return { payload, refusedRecords }
  for (;;) {
    const result = otlpRequest.safeParse(document, { error: plainWords })
    if (result.success) return { payload: result.data, refusedRecords }
    const found = takeOut(document, result.error.issues)
    if (found.length === 0) return { issue: result.error.issues[0] }
    refusedRecords = refusedRecords.concat(found)
  }
}

/** Each list of parts, and the lists that its parts may have. */
const partsOf: Readonly<Record<string, readonly string[]>> = {
  resourceSpans: ['scopeSpans'],
  resourceMetrics: ['scopeMetrics'],
  resourceLogs: ['scopeLogs'],
  scopeSpans: ['spans'],
  scopeMetrics: ['metrics'],
  scopeLogs: ['logRecords'],
  metrics: ['gauge', 'sum', 'histogram', 'exponentialHistogram', 'summary'],
}

/**
 * Removes parts that contain records under unknown names, such as a metric of a later type, so that
 * they are reported and not lost silently.
 */
function refuseUnknown(document: unknown): RefusedRecords[] {
  if (!isObject(document)) return []
  const issues: Fault[] = []
  const look = (holder: Record<string, unknown>, name: string, path: PropertyKey[]) => {
    const known = partsOf[name]!
    for (const [index, part] of listOf(holder[name]).entries()) {
      if (!isObject(part)) continue
      const at = [...path, name, index]
      const unknown = known.some((inner) => part[inner] != null) ? undefined : Object.keys(part).find((key) => holdsRecords(key, part[key]))
      if (unknown !== undefined) issues.push({ path: at, message: `contain ${unknown}, which is unknown` })
      for (const inner of known) if (partsOf[inner] !== undefined) look(part, inner, at)
    }
  }
  for (const name of Object.keys(kinds)) look(document, name, [])
  return takeOut(document, issues)
}

const holdsRecords = (name: string, value: unknown): boolean =>
  name !== 'resource' &&
  name !== 'scope' &&
  name !== 'metadata' &&
  (Array.isArray(value) || (isObject(value) && Array.isArray(value['dataPoints'])))

type Fault = Pick<z.core.$ZodIssue, 'path' | 'message'>

/** Removes the members with faults from their lists. */
function takeOut(document: unknown, issues: readonly Fault[]): RefusedRecords[] {
  const found: RefusedRecords[] = []
  const faulty = new Map<unknown[], Set<number>>()
  const counted = new Set<unknown>()
  const placed = issues.map(({ path, message }) => ({
    path,
    message,
    depth: path.findLastIndex((key, index) => lists.has(key) && typeof path[index + 1] === 'number'),
  }))
  // The innermost first, so that no record is counted twice.
  for (const { path, message, depth } of placed.toSorted((a, b) => b.depth - a.depth)) {
    const kind = kinds[String(path[0])]
    const list = path.slice(0, depth + 1).reduce<unknown>((node, key) => Reflect.get(Object(node), key), document)
    const index = Number(path[depth + 1])
    if (depth < 0 || kind === undefined || !Array.isArray(list) || faulty.get(list)?.has(index)) continue
    faulty.set(list, (faulty.get(list) ?? new Set()).add(index))
    const name = [path[depth], ...path.slice(depth + 2).filter((key) => typeof key !== 'number')].map(String).join('.')
    found.push({ kind, records: recordsIn(list[index], counted), field: path.map(String).join('.'), reason: `${name} ${message}` })
  }
  for (const [list, indexes] of faulty) {
    const kept = list.filter((_, index) => !indexes.has(index))
    list.length = 0
    for (const member of kept) list.push(member)
  }
  return found
}

/**
 * Counts the records in a part of a request that are not counted yet, and marks them as counted.
 */
function recordsIn(part: unknown, counted: Set<unknown>): number {
  if (counted.has(part)) return 0
  if (isObject(part)) counted.add(part)
  const inner = isObject(part)
    ? Object.entries(part).flatMap(([name, value]) => {
        const held = lists.has(name) ? value : isObject(value) ? value['dataPoints'] : undefined
        return Array.isArray(held) ? [held as unknown[]] : []
      })
    : []
  return inner.length === 0 ? 1 : inner.flat().reduce<number>((sum, member) => sum + recordsIn(member, counted), 0)
}
