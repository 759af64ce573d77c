import type { SourceObject } from '../../sources/otlpRequest.ts'
import { chooseFormat } from '../../sources/text/formats/chooseFormat.ts'
import { HeaderTemplate } from '../../sources/text/formats/headerTemplate.ts'
import { sampleCharacters, sampleLines } from '../../sources/text/sampledLines.ts'
import type { TextLogOptions } from '../../sources/text/readTextLogs.ts'
import { maxLineBytes, textOfLine, type TextLine } from '../../sources/text/textLines.ts'
import { TextRecords, type TextRecordsState } from '../../sources/text/textRecords.ts'
import { TextRequests } from '../../sources/text/textRequests.ts'
import { LogClock, type LogClockState } from '../../sources/text/time/logClock.ts'
import { timeZone } from '../../sources/text/time/timeZone.ts'
import { nothingTaken, UnreadableError, type GrowingReader, type Place, type Sink, type Taken } from './growingReader.ts'

/** Where a text is continued. */
export interface GrowingTextState {
  readonly kind: 'text'
  /** The number of the line before. */
  readonly line: number
  /** Whether the rest of a line is passed over that was too long. */
  readonly isCut: boolean
  readonly digest: string
  readonly clock: LogClockState
  readonly records: TextRecordsState
  /** The bytes from which the format was chosen, and what else decided it. */
  readonly sample: { readonly from: number; readonly to: number; readonly latest: number }
}

const newline = 10
const utf8Mark = Buffer.from([0xef, 0xbb, 0xbf])

/** Records of a log of plain text that grows; the first lines show how they are written. */
export class GrowingText implements GrowingReader {
  readonly isWhole = false
  readonly most = sampleCharacters
  readonly #options: TextLogOptions
  readonly #requests: TextRequests
  #line: number
  #isCut: boolean
  #chosen: { records: TextRecords; clock: LogClock; sample: GrowingTextState['sample'] } | undefined
  #sink: Sink | undefined
  /** How much of the bytes that are taken has been read. */
  #read = 0

  /**
   * @param given the state of a text that is continued, and the bytes of its sample.
   * @throws UnreadableError if the options do not fit the text any more.
   */
  constructor(options: TextLogOptions, origin: SourceObject, given?: { state: GrowingTextState; sample: Uint8Array }) {
    const { state } = given ?? {}
    this.#options = options
    this.#requests = new TextRequests(options.service, origin, state?.digest)
    this.#line = state?.line ?? 0
    this.#isCut = state?.isCut ?? false
    if (given === undefined || state === undefined) return
    const chosen = this.#choose(linesOf(given.sample), state.sample, state)
    if ('reason' in chosen) throw new UnreadableError(chosen.reason)
  }

  take(bytes: Uint8Array, place: Place, sink: Sink): Taken {
    this.#sink = sink
    const marked = place.from === 0 && utf8Mark.equals(bytes.subarray(0, utf8Mark.length)) ? utf8Mark.length : 0
    if (place.from === 0 && ((bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)))
      throw new UnreadableError('UTF-16 is not followed: only files that do not grow may be in it')
    if (this.#chosen === undefined && !this.#sample(bytes, marked, place)) return nothingTaken
    const { records } = this.#chosen!
    this.#read = marked
    for (const line of this.#lines(bytes, place.isEnd)) {
      for (const record of records.take(line)) sink.request(this.#requests.of(record))
    }
    const read = this.#read
    if (place.isEnd) for (const record of records.end()) sink.request(this.#requests.of(record))
    return read === 0 && !place.isEnd ? nothingTaken : { read, safe: { at: read, state: this.#state() } }
  }

  tell(): void {}

  rest(sink: Sink): GrowingTextState | undefined {
    const { records } = this.#chosen ?? {}
    if (records?.isOpen !== true) return undefined
    this.#sink = sink
    for (const record of records.end()) sink.request(this.#requests.of(record))
    return this.#state()
  }

  /** Chooses the format; false as long as too few lines are there for it. */
  #sample(bytes: Uint8Array, marked: number, { from, isEnd, isSettled }: Place): boolean {
    let lines = 0
    let end = marked
    for (
      let at = bytes.indexOf(newline, end);
      at !== -1 && lines < sampleLines && at < sampleCharacters;
      at = bytes.indexOf(newline, end)
    ) {
      end = at + 1
      lines += 1
    }
    if (isEnd && lines < sampleLines) end = bytes.length
    const isFull = lines >= sampleLines || bytes.length >= sampleCharacters
    if (end === marked || !(isFull || isEnd || isSettled)) {
      if (!isFull) return false
      // A single line that has no end.
      end = bytes.length
    }
    const sample = { from: from + marked, to: from + end, latest: Date.now() }
    const chosen = this.#choose(linesOf(bytes.subarray(marked, end)), sample)
    if (!('reason' in chosen)) {
      this.#sink?.recognised(chosen)
      return true
    }
    if (isFull || isEnd) throw new UnreadableError(chosen.reason)
    return false
  }

  #choose(lines: readonly string[], sample: GrowingTextState['sample'], state?: GrowingTextState) {
    const { header, timeZone: zone, year, date, dateOrder } = this.#options
    const options = {
      zone: zone === undefined ? undefined : timeZone(zone),
      year,
      date: date === undefined ? undefined : Date.parse(date),
      latest: sample.latest,
    }
    const headers = header === undefined ? undefined : [header].flat().map((text) => HeaderTemplate.read(text))
    const chosen = chooseFormat(lines, { header: headers, dateOrder }, options)
    if ('reason' in chosen) return chosen
    const { format, container } = chosen
    const clock = new LogClock(options, state?.clock)
    const onProblem = ({ line, reason }: { line: number; reason: string }) => this.#sink?.problem(line, reason)
    this.#chosen = { records: new TextRecords(format, { container, clock, onProblem }, state?.records), clock, sample }
    return {
      format: format?.name ?? 'text without a header',
      header: format?.header ?? null,
      container: container?.name ?? null,
      timeZone: chosen.timeZone,
      year: chosen.year,
    }
  }

  /** The whole lines from where it has read to. */
  *#lines(bytes: Uint8Array, isEnd: boolean): Generator<TextLine> {
    while (this.#read < bytes.length) {
      const begun = this.#read
      const found = bytes.indexOf(newline, begun)
      const end = found === -1 ? bytes.length : found
      const length = end - begun
      const isPart = found === -1 && !isEnd
      // Of one that is too long the rest is passed over.
      if (isPart && !this.#isCut && length <= maxLineBytes) return
      this.#read = found === -1 ? bytes.length : found + 1
      const wasCut = this.#isCut
      this.#isCut = isPart
      if (wasCut) continue
      this.#line += 1
      const cut = Math.max(0, length - maxLineBytes)
      yield { text: textOfLine(bytes.subarray(begun, end - cut), cut > 0), number: this.#line, cut }
    }
  }

  #state(): GrowingTextState {
    const { records, clock, sample } = this.#chosen!
    return {
      kind: 'text',
      line: this.#line,
      isCut: this.#isCut,
      digest: this.#requests.digest,
      clock: clock.state,
      records: records.state,
      sample,
    }
  }
}

/** The lines of a sample. */
function linesOf(bytes: Uint8Array): string[] {
  const lines: string[] = []
  for (let at = 0; at < bytes.length && lines.length < sampleLines;) {
    const found = bytes.indexOf(newline, at)
    const end = found === -1 ? bytes.length : found
    lines.push(textOfLine(bytes.subarray(at, Math.min(end, at + maxLineBytes)), end - at > maxLineBytes))
    at = end + 1
  }
  return lines
}
