import { patternOf, maxMessageLength, storable } from '../../logs/pattern.ts'
import type { AnyValue, OtlpLogRecord } from '../../schema/otlp.ts'
import type { Severity } from '../../schema/severity.ts'
import { jsonOf, typeOf } from '../records/attributes.ts'
import type { SourceObject } from '../sources/otlpRequest.ts'
import type { PatternRollup } from './rollupWindow.ts'
import { greaterSeverity, severityOf } from '../records/severityOf.ts'

interface Tally {
  resource: string
  pattern: string
  sample: { message: string; time: number; source: SourceObject }
  severity: Severity | null
  types: Map<string, string>
  total: number
  errors: number
  first: number
  last: number
}

/** Counts the log records of one window by resource and pattern. The order of records does not matter. */
export class PatternTally {
  readonly #tallies = new Map<string, Tally>()

  add(resource: string, record: OtlpLogRecord, time: number, source: SourceObject): void {
    const body = messageOf(record)
    const message = storable(body.length > maxMessageLength ? body.slice(0, maxMessageLength) : body)
    const pattern = patternOf(body)
    const severity = severityOf(record.severityNumber, record.severityText)
    const failed = severity === 'ERROR' || severity === 'FATAL'
    const key = `${resource}\0${pattern}`
    let tally = this.#tallies.get(key)
    if (tally === undefined) {
      tally = {
        resource,
        pattern,
        sample: { message, time, source },
        severity,
        types: new Map(),
        total: 0,
        errors: 0,
        first: time,
        last: time,
      }
      this.#tallies.set(key, tally)
    } else if (time < tally.sample.time || (time === tally.sample.time && message < tally.sample.message)) {
      tally.sample = { message, time, source }
    }
    tally.severity = greaterSeverity(tally.severity, severity)
    tally.total += 1
    tally.errors += failed ? 1 : 0
    tally.first = Math.min(tally.first, time)
    tally.last = Math.max(tally.last, time)
    for (const { key: name, value } of record.attributes) addType(tally.types, name, value)
    for (const { key: name, value } of record.body?.kvlistValue?.values ?? []) addType(tally.types, name, value)
  }

  rollups(from: number, indexOf: (dataset: 'logs', source: SourceObject) => number): PatternRollup[] {
    return [...this.#tallies.keys()].sort().map((key) => {
      const tally = this.#tallies.get(key)!
      return {
        bucket: new Date(from),
        resource: tally.resource,
        pattern: tally.pattern,
        sampleMessage: tally.sample.message,
        severity: tally.severity,
        attrsSchema: Object.fromEntries([...tally.types].sort(([a], [b]) => (a < b ? -1 : 1))),
        countTotal: tally.total,
        countError: tally.errors,
        firstSeen: new Date(tally.first),
        lastSeen: new Date(tally.last),
        locator: indexOf('logs', tally.sample.source),
      }
    })
  }
}

function addType(types: Map<string, string>, name: string, value: AnyValue | null | undefined): void {
  const key = storable(name)
  types.set(key, mergedType(types.get(key), typeOf(value)))
}

/** The type of an attribute that came with both: `mixed` when they differ. */
export const mergedType = (known: string | undefined, type: string): string => (known === undefined || known === type ? type : 'mixed')

/**
 * The message of a log record: its body. Of a structured body (a map) the text under `message`, `msg`, `log` or `body`, else all of it as
 * `key=value` in the order of keys; of an array its JSON. A record without a body has its event's name.
 */
export function messageOf({ body, eventName }: OtlpLogRecord): string {
  if (body?.stringValue != null) return body.stringValue
  const fields = body?.kvlistValue?.values
  if (fields != null && fields.length > 0) {
    for (const name of ['message', 'msg', 'log', 'body']) {
      const text = fields.find(({ key, value }) => key === name && value?.stringValue != null)?.value?.stringValue
      if (text != null) return text
    }
    const written = fields.map(({ key, value }) => {
      const json = jsonOf(value)
      return `${key}=${typeof json === 'string' ? json.replace(/[\s"]+/g, '_') : JSON.stringify(json).replace(/[\s"]+/g, '')}`
    })
    return [eventName ?? '', ...written.sort()].join(' ').trim()
  }
  const json = jsonOf(body)
  if (json === null || (typeof json === 'object' && Object.keys(json).length === 0)) return eventName ?? ''
  return typeof json === 'string' ? json : JSON.stringify(json)
}
