import type { ContainerFormat } from './formats/containerLines.ts'
import type { LineFormat } from './formats/lineFormat.ts'
import type { LogClock } from './time/logClock.ts'
import type { TextLine } from './textLines.ts'
import type { WrittenTime } from './time/writtenTime.ts'

/** A record of a text log. */
export interface TextRecord {
  /** Nanoseconds since 1970. */
  time: bigint
  level: string | undefined
  fields: readonly (readonly [name: string, value: string])[]
  body: string
  /** Its first line as it is: with the line before it, it identifies the record. */
  first: string
  /** The number of its first line, from 1. */
  line: number
}

/** Something that is not read, or not as a whole. */
export interface TextProblem {
  line: number
  reason: string
}

/** A record has no more characters: the lines behind are left out. */
const maxRecordCharacters = 256 * 1024

interface OpenRecord extends Omit<TextRecord, 'body'> {
  parts: string[]
  length: number
  /** Lines that are left out. */
  over: number
}

interface OpenPart {
  time: WrittenTime
  texts: string[]
  length: number
  line: number
}

/** What is open between two lines, as JSON: big integers are text. */
export interface TextRecordsState {
  open: (Omit<OpenRecord, 'time'> & { stream: string; time: string })[]
  parts: (Omit<OpenPart, 'time'> & { stream: string; time: Omit<WrittenTime, 'epoch'> & { epoch: string | null } })[]
  orphans: number
  orphanLine: number
  time: string | null
}

/**
 * Makes records of lines: one begins with a line that the format reads, and goes on in the lines
 * that follow.
 */
export class TextRecords {
  readonly #container: ContainerFormat | undefined
  readonly #format: LineFormat | undefined
  readonly #clock: LogClock
  readonly #onProblem: (problem: TextProblem) => void
  /** The records that may go on, by stream. */
  readonly #open = new Map<string, OpenRecord>()
  /** The lines of containers that go on, by stream. */
  readonly #parts = new Map<string, OpenPart>()
  /** Lines before the first record. */
  #orphans = 0
  #orphanLine = 0
  /** The time of the record before. */
  #time: bigint | undefined

  /**
   * @param format undefined for the lines of a container without one: each is a record, and those
   * that begin with a blank continue it.
   */
  constructor(
    format: LineFormat | undefined,
    options: { container?: ContainerFormat | undefined; clock: LogClock; onProblem: (problem: TextProblem) => void },
    state?: TextRecordsState,
  ) {
    this.#format = format
    this.#container = options.container
    this.#clock = options.clock
    this.#onProblem = options.onProblem
    if (state === undefined) return
    for (const { stream, time, ...open } of state.open) this.#open.set(stream, { ...open, level: open.level, time: BigInt(time) })
    for (const { stream, time, ...part } of state.parts) {
      const { epoch, ...written } = time
      this.#parts.set(stream, {
        ...part,
        time: { ...written, year: written.year, zone: written.zone, epoch: epoch === null ? undefined : BigInt(epoch) },
      })
    }
    this.#orphans = state.orphans
    this.#orphanLine = state.orphanLine
    this.#time = state.time === null ? undefined : BigInt(state.time)
  }

  /** What is needed to continue with the next line. */
  get state(): TextRecordsState {
    return {
      open: [...this.#open].map(([stream, open]) => ({ ...open, stream, parts: [...open.parts], time: String(open.time) })),
      parts: [...this.#parts].map(([stream, { time, ...part }]) => ({
        ...part,
        stream,
        texts: [...part.texts],
        time: { ...time, epoch: time.epoch === undefined ? null : String(time.epoch) },
      })),
      orphans: this.#orphans,
      orphanLine: this.#orphanLine,
      time: this.#time === undefined ? null : String(this.#time),
    }
  }

  /** Whether a record may go on. */
  get isOpen(): boolean {
    return this.#open.size > 0 || this.#parts.size > 0 || this.#orphans > 0
  }

  /** Takes the next line; yields the records that it ends. */
  *take({ text, number, cut }: TextLine): Generator<TextRecord> {
    if (cut > 0) this.#onProblem({ line: number, reason: `the line is too long: ${cut} bytes at its end are left out` })
    if (this.#container === undefined) return yield* this.#line(text, number, '', undefined)
    const kept = this.#container.read(text)
    if (kept === undefined) {
      if (text.trim() !== '') this.#onProblem({ line: number, reason: `not a line of ${this.#container.name}` })
      return
    }
    const part = this.#parts.get(kept.stream)
    if (part === undefined && !kept.isPart) return yield* this.#line(kept.text, number, kept.stream, kept.time)
    const whole: OpenPart = part ?? { time: kept.time, texts: [], length: 0, line: number }
    if (whole.length < maxRecordCharacters) whole.texts.push(kept.text)
    whole.length += kept.text.length
    if (kept.isPart) this.#parts.set(kept.stream, whole)
    else {
      this.#parts.delete(kept.stream)
      yield* this.#line(whole.texts.join(''), whole.line, kept.stream, whole.time)
    }
  }

  /** The end of the lines: yields the records that are open. */
  *end(): Generator<TextRecord> {
    for (const [stream, { texts, line, time }] of this.#parts) yield* this.#line(texts.join(''), line, stream, time)
    this.#parts.clear()
    for (const stream of this.#open.keys()) yield* this.#close(stream)
    this.#tellOrphans()
  }

  *#line(text: string, number: number, stream: string, kept: WrittenTime | undefined): Generator<TextRecord> {
    const open = this.#open.get(stream)
    const read = this.#format?.read(text)
    if (read === undefined && this.#format?.isBetween?.(text)) return
    if (read === undefined && open !== undefined && this.#goesOn(text)) return this.#append(open, text)
    if (read === undefined && text.trim() === '') return
    const written = kept ?? read?.time
    // A line without a time has that of the record before.
    const time = written === undefined ? (this.#format?.joins === false ? this.#time : undefined) : this.#clock.moment(written)
    if (time === undefined) return this.#orphan(number)
    yield* this.#close(stream)
    if (typeof time !== 'bigint') return this.#onProblem({ line: number, reason: `the time cannot be right: ${time.reason}` })
    this.#tellOrphans()
    this.#time = time
    const { level, fields = [], message = text } = read ?? {}
    this.#open.set(stream, { time, level, fields, parts: [message], length: message.length, over: 0, first: text, line: number })
    if (this.#format?.joins === false && read !== undefined) yield* this.#close(stream)
  }

  /** Whether a line that begins no record continues the one before. */
  #goesOn(text: string): boolean {
    if (this.#format !== undefined) return true
    return /^(?:\s|$|[)}\]]|Caused by: |Traceback )/.test(text)
  }

  #append(open: OpenRecord, text: string): void {
    if (open.length + text.length > maxRecordCharacters) {
      open.over += 1
      return
    }
    open.parts.push(text)
    open.length += text.length + 1
  }

  #orphan(number: number): void {
    if (this.#orphans === 0) this.#orphanLine = number
    this.#orphans += 1
  }

  #tellOrphans(): void {
    if (this.#orphans === 0) return
    const lines = this.#orphans === 1 ? 'a line' : `${this.#orphans} lines`
    this.#onProblem({ line: this.#orphanLine, reason: `${lines} without a header before: what they continue is not there` })
    this.#orphans = 0
  }

  *#close(stream: string): Generator<TextRecord> {
    const open = this.#open.get(stream)
    if (open === undefined) return
    this.#open.delete(stream)
    const { parts, over, time, fields, first, line } = open
    if (over > 0)
      this.#onProblem({
        line,
        reason: `the record is longer than ${maxRecordCharacters} characters: ${over} lines at its end are left out`,
      })
    // Blank lines between records are no part of them.
    const body = parts.length === 1 ? parts[0]!.trimEnd() : parts.join('\n').trim()
    const { message, level } = this.#format?.whole?.(body) ?? { message: body }
    yield { time, level: level ?? open.level, fields, body: message, first, line }
  }
}
