import type { Place } from '../../../logs/miner/parameterValues.ts'
import { storable } from '../../../logs/pattern.ts'
import type { OtlpLogRecord } from '../../../schema/otlp.ts'
import type { AnyValue } from '../../../schema/otlpValues.ts'
import { compareBytes } from '../../../schema/compareBytes.ts'
import type { Severity } from '../../../schema/severity.ts'
import { mergedType, typeOf } from '../../records/attributes.ts'
import type { LogMessage } from '../../records/logMessage.ts'
import { greaterSeverity, isError } from '../../records/severityOf.ts'
import type { SourceObject } from '../../sources/otlpRequest.ts'
import type { PatternRow } from '../windows/ingestWindow.ts'
import { earlierOrigin, type LocatorIndex } from '../windows/locatorTally.ts'

/** The counts of one masked line in one resource. */
export interface Tally {
  resource: string
  line: string
  sample: { message: string; time: number; origin: SourceObject }
  severity: Severity | null
  types: Map<string, string>
  total: number
  errors: number
  first: number
  last: number
  /** How often each value of each parameter came; undefined if they are not counted. */
  parameters?: Map<Place, Map<string, number>> | undefined
}

/** Counts the log records of one window by resource and masked line, in any order. */
export class PatternTally {
  readonly #tallies = new Map<string, Tally>()

  add(resource: string, record: OtlpLogRecord, read: LogMessage, time: number, origin: SourceObject): void {
    const { sample: message, line, severity, values } = read
    const failed = isError(severity)
    const key = `${resource}\0${line}`
    let tally = this.#tallies.get(key)
    if (tally === undefined) {
      tally = {
        resource,
        line,
        sample: { message, time, origin },
        severity,
        types: new Map(),
        total: 0,
        errors: 0,
        first: time,
        last: time,
      }
      this.#tallies.set(key, tally)
    } else if (isBefore({ message, time, origin }, tally.sample)) {
      tally.sample = { message, time, origin }
    }
    for (const [place, value] of values) addValue((tally.parameters ??= new Map()), place, value, 1)
    tally.severity = greaterSeverity(tally.severity, severity)
    tally.total += 1
    tally.errors += failed ? 1 : 0
    tally.first = Math.min(tally.first, time)
    tally.last = Math.max(tally.last, time)
    for (const { key: name, value } of record.attributes) addType(tally.types, name ?? '', value)
    for (const { key: name, value } of record.body?.kvlistValue?.values ?? []) addType(tally.types, name ?? '', value)
  }

  /** All counts. */
  tallies(): Iterable<Readonly<Tally>> {
    return this.#tallies.values()
  }

  /** Adds the counts of another tally. */
  merge(other: Tally): void {
    const key = `${other.resource}\0${other.line}`
    const tally = this.#tallies.get(key)
    if (tally === undefined) {
      const parameters = other.parameters && new Map([...other.parameters].map(([place, values]) => [place, new Map(values)]))
      this.#tallies.set(key, { ...other, types: new Map(other.types), parameters })
      return
    }
    for (const [place, values] of other.parameters ?? []) {
      for (const [value, count] of values) addValue((tally.parameters ??= new Map()), place, value, count)
    }
    if (isBefore(other.sample, tally.sample)) tally.sample = other.sample
    tally.severity = greaterSeverity(tally.severity, other.severity)
    tally.total += other.total
    tally.errors += other.errors
    tally.first = Math.min(tally.first, other.first)
    tally.last = Math.max(tally.last, other.last)
    for (const [name, type] of other.types) tally.types.set(name, mergedType(tally.types.get(name), type))
  }

  rows(from: number, indexOf: LocatorIndex): PatternRow[] {
    return [...this.#tallies.keys()].sort().map((key) => {
      const tally = this.#tallies.get(key)!
      return {
        bucket: new Date(from),
        resource: tally.resource,
        maskedLine: tally.line,
        sampleMessage: tally.sample.message,
        severity: tally.severity,
        attrsSchema: Object.fromEntries([...tally.types].sort(([a], [b]) => (a < b ? -1 : 1))),
        countTotal: tally.total,
        countError: tally.errors,
        firstSeen: new Date(tally.first),
        lastSeen: new Date(tally.last),
        locator: indexOf('logs', tally.sample.origin),
        ...(tally.parameters !== undefined && { parameters: tally.parameters }),
      }
    })
  }
}

function addValue(parameters: Map<Place, Map<string, number>>, place: Place, value: string, count: number): void {
  const values = parameters.get(place)
  if (values === undefined) parameters.set(place, new Map([[value, count]]))
  else values.set(value, (values.get(value) ?? 0) + count)
}

function addType(types: Map<string, string>, name: string, value: AnyValue | null | undefined): void {
  const key = storable(name)
  types.set(key, mergedType(types.get(key), typeOf(value)))
}

/** Which of two messages is shown; independent of the order of arrival. */
function isBefore(a: Tally['sample'], b: Tally['sample']): boolean {
  if (a.time !== b.time) return a.time < b.time
  if (a.message !== b.message) return compareBytes(a.message, b.message) < 0
  return earlierOrigin(a.origin, b.origin) === a.origin
}
