import type { MalformedLine } from '../../ingest/sources/otlpRequest.ts'
import type { RefusedInput } from '../../ingest/sources/readOtlp.ts'

/** A file that is no telemetry at all may have one in every line. */
const shown = 10
/** Reasons can name what was sent, which may be anything. */
const shownKinds = 20

/** What was not read: the first ten as they come, then how many there are of each kind. */
export class Rejects {
  readonly #say: (text: string) => void
  readonly #kinds = new Map<string, number>()
  #told = 0
  #records = 0

  constructor(say: (text: string) => void) {
    this.#say = say
  }

  /** How many there were: pieces that are no request, and records. */
  get count(): number {
    return this.#records
  }

  malformed({ file, line, reason }: MalformedLine): void {
    this.#add(reason.split(/[:(]/)[0]!.trim().replaceAll(/\d+/g, 'N'), 1, `${file}:${line}: ${reason}`)
  }

  refused({ file, line, field, records, reason }: RefusedInput): void {
    this.#add(reason, records, `${file}:${line}: ${field}: ${reason}${records > 1 ? ` (${records} records)` : ''}`)
  }

  #add(kind: string, records: number, text: string): void {
    this.#records += records
    this.#told += 1
    if (this.#kinds.has(kind) || this.#kinds.size < 1000) this.#kinds.set(kind, (this.#kinds.get(kind) ?? 0) + records)
    if (this.#told <= shown) this.#say(`${text}\n`)
  }

  /** Where not all of them were told: how many more there are, and all by kind. */
  summary(): string {
    if (this.#told <= shown) return ''
    const kinds = [...this.#kinds].toSorted(([, a], [, b]) => b - a)
    const lines = kinds.slice(0, shownKinds).map(([kind, count]) => `  ${count.toLocaleString('en').padStart(9)}  ${kind}`)
    const others = kinds.length > shownKinds ? [`  and ${kinds.length - shownKinds} kinds more`] : []
    return `and ${(this.#told - shown).toLocaleString('en')} more; all of them:\n${[...lines, ...others].join('\n')}\n`
  }
}
