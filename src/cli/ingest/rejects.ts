import { closeSync, openSync, writeSync } from 'node:fs'
import type { MalformedLine } from '../../ingest/sources/otlpRequest.ts'
import type { RefusedInput } from '../../ingest/sources/readOtlp.ts'
import { InvalidInputError } from '../../schema/errors.ts'

/** A file that is no telemetry at all may have one in every line. */
const shown = 10
/** Reasons can name what was sent, which may be anything. */
const shownReasons = 20

/** Something that was not read, and why. */
export interface Reject {
  file: string
  line: number
  reason: string
  /** Where in the request it stands; of a piece that is no request at all, nothing is said. */
  field?: string
  /** How many records were refused for it; of a piece that is no request, 1. */
  records: number
}

/** The rejects of a load: all counted by reason, the first ten as they were. */
export interface RejectsReport {
  count: number
  /** The most frequent first. */
  reasons: { reason: string; count: number }[]
  first: Reject[]
}

/** What was not read: the first ten as they come, then how many there are for each reason. */
export class Rejects {
  readonly #say: (text: string) => void
  readonly #file: string | undefined
  readonly #kept: number | undefined
  readonly #reasons = new Map<string, number>()
  readonly #files = new Set<string>()
  readonly #first: Reject[] = []
  #told = 0
  #records = 0

  /**
   * @param file where all of them are kept, a line of JSON each.
   * @throws InvalidInputError when it cannot be written.
   */
  constructor(say: (text: string) => void, file?: string) {
    this.#say = say
    this.#file = file
    this.#kept = file === undefined ? undefined : opened(file)
  }

  close(): void {
    if (this.#kept !== undefined) closeSync(this.#kept)
  }

  /** How many there were: pieces that are no request, and records. */
  get count(): number {
    return this.#records
  }

  /** Whether there was one in a file. */
  isIn(file: string): boolean {
    return this.#files.has(file)
  }

  malformed({ file, line, reason }: MalformedLine): void {
    this.#add(kindOf(reason), { file, line, reason, records: 1 }, `${file}:${line}: ${reason}`)
  }

  refused({ file, line, field, records, reason }: RefusedInput): void {
    const text = `${file}:${line}: ${field}: ${reason}${records > 1 ? ` (${records} records)` : ''}`
    this.#add(reason, { file, line, field, reason, records }, text)
  }

  #add(reason: string, reject: Reject, text: string): void {
    this.#records += reject.records
    this.#told += 1
    this.#files.add(reject.file)
    if (this.#reasons.has(reason) || this.#reasons.size < 1000) {
      this.#reasons.set(reason, (this.#reasons.get(reason) ?? 0) + reject.records)
    }
    // At once: what waits to be written would be kept in memory.
    if (this.#kept !== undefined) writeSync(this.#kept, `${JSON.stringify(reject)}\n`)
    if (this.#told > shown) return
    this.#first.push(reject)
    this.#say(`${text}\n`)
  }

  report(): RejectsReport {
    const reasons = [...this.#reasons].map(([reason, count]) => ({ reason, count })).toSorted((a, b) => b.count - a.count)
    return { count: this.#records, reasons, first: this.#first }
  }

  /** Where not all of them were told: how many more there are, and all by reason. */
  summary(): string {
    if (this.#told <= shown) return ''
    const { reasons } = this.report()
    const lines = reasons.slice(0, shownReasons).map(({ reason, count }) => `  ${count.toLocaleString('en').padStart(9)}  ${reason}`)
    const others = reasons.length > shownReasons ? [`  and ${reasons.length - shownReasons} reasons more`] : []
    return `and ${(this.#told - shown).toLocaleString('en')} more (${this.#file === undefined ? '--rejects FILE keeps them all' : `all are in ${this.#file}`}); by reason:\n${[...lines, ...others].join('\n')}\n`
  }
}

function opened(file: string): number {
  try {
    return openSync(file, 'w')
  } catch (cause) {
    throw new InvalidInputError('--rejects', `${file} cannot be written: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    })
  }
}

/** A reason without what differs from line to line: where JSON breaks, and numbers. */
function kindOf(reason: string): string {
  const text = reason.startsWith('not JSON') ? reason.split(/[:(]/)[0]! : reason.split('(')[0]!
  return text.trim().replaceAll(/\d+/g, 'N')
}
