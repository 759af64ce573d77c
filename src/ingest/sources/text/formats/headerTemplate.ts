import { InvalidInputError } from '../../../../schema/errors.ts'
import { severityNamed } from '../../../../schema/severityNames.ts'
import { timePattern, type TimePattern } from '../time/timePattern.ts'
import type { WrittenTime } from '../time/writtenTime.ts'

/** What a header says, and where the message begins. */
export interface Header {
  time: WrittenTime
  /** The text of the level; a number of syslog as a digit. */
  level: string | undefined
  /** The other fields by their names. */
  fields: readonly (readonly [name: string, value: string])[]
  /** Where the message begins. */
  at: number
}

type Element =
  | { kind: 'text'; text: string }
  | { kind: 'time'; pattern: TimePattern | undefined }
  | { kind: 'level' | 'priority' | 'message' }
  | { kind: 'field'; name: string }

/** How lines that do not have the whole header are read. */
export type Leniency =
  /** They are no header. */
  | 'exact'
  /** With the time in its place they are one, and the message begins where the header ends. */
  | 'partial'

/** No field is longer. */
const maxField = 512
/** Not more places are tried for the text after a field. */
const maxPlaces = 16

/** The header of a line, as a template describes it. */
export class HeaderTemplate {
  readonly text: string
  readonly #elements: readonly Element[]

  private constructor(text: string, elements: readonly Element[]) {
    this.text = text
    this.#elements = elements
  }

  /**
   * Reads a template: `<time> <level> [<thread>] <logger> - <message>`.
   *
   * | in the template | in a line |
   * |---|---|
   * | `<time>` | a time in one of the usual forms, the same in all lines |
   * | `<time:yyyy-MM-dd HH:mm>` | a time in this form: see `timePattern` |
   * | `<level>` | the severity |
   * | `<priority>` | the number of syslog |
   * | `<message>` | the rest; always the last |
   * | `<name>` | anything, up to the text that follows in the template; an attribute |
   * | `<_>` | the same, but it does not count |
   * | a blank | one or more blanks or tabs |
   * | `\<` | `<` |
   * | anything else | itself, also after blanks |
   *
   * @throws InvalidInputError naming `field`.
   */
  static read(text: string, field = 'header'): HeaderTemplate {
    const refuse = (problem: string) => new InvalidInputError(field, `${problem}, got ${JSON.stringify(text.slice(0, 200))}`)
    if (text.length > 1000) throw refuse('must be at most 1,000 characters long')
    const elements: Element[] = []
    for (const [token, escaped, name] of text.matchAll(/\\([<\\])|<([^<>]{0,200})>|[^<\\]{1,1000}|[<\\]/g)) {
      if (name === undefined) {
        if (token === '<') throw refuse('must have \\< for a < that begins no field')
        const last = elements.at(-1)
        if (last?.kind === 'text') last.text += escaped ?? token
        else elements.push({ kind: 'text', text: escaped ?? token })
        continue
      }
      const before = elements.at(-1)
      if (before?.kind === 'message') throw refuse('must end with <message>')
      if (before?.kind === 'field') throw refuse(`must have text between <${before.name}> and <${name}>`)
      if (name === 'time') elements.push({ kind: 'time', pattern: undefined })
      else if (name.startsWith('time:')) elements.push({ kind: 'time', pattern: timePattern(name.slice('time:'.length), field) })
      else if (name === 'level' || name === 'priority' || name === 'message') elements.push({ kind: name })
      else if (/^(?:_|[A-Za-z][\w.-]{0,62})$/.test(name)) elements.push({ kind: 'field', name })
      else throw refuse(`must have names of letters, digits, points and hyphens, not <${name}>`)
    }
    if (elements.filter(({ kind }) => kind === 'time').length !== 1) throw refuse('must have <time> once')
    if (elements.at(-1)?.kind !== 'message') throw refuse('must end with <message>')
    return new HeaderTemplate(text, elements)
  }

  /** Whether the form of its time is not known yet. */
  get isOpen(): boolean {
    return this.#elements.some((element) => element.kind === 'time' && element.pattern === undefined)
  }

  /** The same with a form of its time. */
  with(pattern: TimePattern): HeaderTemplate {
    return new HeaderTemplate(
      this.text.replace('<time>', `<time:${pattern.text}>`),
      this.#elements.map((element) => (element.kind === 'time' ? { kind: 'time', pattern } : element)),
    )
  }

  /**
   * The header of a line; undefined if it has none.
   *
   * @param anyLevel whether any text is a level, and not only the name of a severity.
   */
  match(line: string, leniency: Leniency = 'exact', anyLevel = false): Header | undefined {
    const elements = this.#elements
    const found: { time?: WrittenTime; level?: string } = {}
    const fields: (readonly [string, string])[] = []
    /** Where a part ends that shows its own end; -1 if it is not there. */
    const partAt = (element: Element, at: number): number => {
      if (element.kind === 'time') {
        const match = element.pattern?.match(line, at)
        if (match === undefined) return -1
        found.time = match.time
        return match.end
      }
      if (element.kind === 'priority') {
        const digits = /^\d{1,3}/.exec(line.slice(at, at + 3))?.[0]
        if (digits === undefined || Number(digits) > 191) return -1
        found.level = `${Number(digits) % 8}`
        return at + digits.length
      }
      const [word, end] = levelAt(line, at)
      if (word === undefined) return -1
      found.level = word
      return end
    }
    let at = 0
    for (let index = 0; index < elements.length; index += 1) {
      const element = elements[index]!
      let end = -1
      if (element.kind === 'text') end = textAt(line, at, element.text, index > 0)
      else if (element.kind === 'message') end = skipBlanks(line, at)
      else {
        const start = index === 0 ? at : skipBlanks(line, at)
        const next = elements[index + 1]
        const isFree = element.kind === 'field' || (element.kind === 'level' && anyLevel && next?.kind === 'text')
        if (!isFree) end = partAt(element, start)
        else if (next?.kind === 'text') {
          // The part after the text decides which of its places is meant.
          const after = elements[index + 2]
          const decides = after !== undefined && after.kind !== 'field' && after.kind !== 'message' && !(after.kind === 'level' && anyLevel)
          const isWord = next.text.trim() === ''
          let from = start
          for (let place = 0; place < maxPlaces; place += 1) {
            const [begins, ends] = findText(line, from, next.text, start + maxField)
            if (begins === -1 || (isWord && begins === start)) break
            const beyond = decides ? partAt(after, skipBlanks(line, ends)) : ends
            if (beyond !== -1) {
              const value = line.slice(start, begins).trim()
              if (element.kind === 'level') found.level = value
              else if (element.kind === 'field' && element.name !== '_' && value !== '') fields.push([element.name, value])
              end = beyond
              index += decides ? 2 : 1
              break
            }
            // Between blanks stands one word.
            if (isWord) break
            from = begins + 1
          }
        }
      }
      if (end === -1) {
        if (leniency === 'exact' || found.time === undefined) return undefined
        break
      }
      at = end
    }
    if (found.time === undefined) return undefined
    return { time: found.time, level: found.level, fields, at: skipBlanks(line, at) }
  }
}

const isBlank = (code: number) => code === 32 || code === 9

/** Behind blanks; not more than a header may have. */
function skipBlanks(line: string, at: number): number {
  let end = at
  while (end - at < maxField && isBlank(line.charCodeAt(end))) end += 1
  return end
}

/** The name of a severity at a position, and where it ends. */
export function levelAt(line: string, at: number): [word: string | undefined, end: number] {
  let end = at
  for (; end - at < 16; end += 1) {
    const code = line.charCodeAt(end) | 32
    if (code < 97 || code > 122) break
  }
  if (end === at) return [undefined, at]
  // A letter before a time, as in glog: I0102.
  const word = line.slice(at, end)
  if (!isSeverity(word)) return [undefined, at]
  if (word.length > 1 && /\d/.test(line[end] ?? '') && !/\w/.test(line[end + 1] ?? '')) end += 1
  return word.length > 1 && /\w/.test(line[end] ?? '') ? [undefined, at] : [word, end]
}

/** The words that were asked about before: most lines have one of a few. */
const known = new Map<string, boolean>()

function isSeverity(word: string): boolean {
  let is = known.get(word)
  if (is === undefined) {
    is = severityNamed(word) !== null
    if (known.size < 200) known.set(word, is)
  }
  return is
}

/** Where a text of the template ends in a line; a blank is one or more. */
function textAt(line: string, at: number, text: string, isPadded: boolean): number {
  let end = isPadded && !isBlank(text.charCodeAt(0)) ? skipBlanks(line, at) : at
  for (let index = 0; index < text.length; index += 1) {
    if (isBlank(text.charCodeAt(index))) {
      const after = skipBlanks(line, end)
      // At the end of a line blanks may have been cut off.
      if (after === end && end < line.length && !(index > 0 && isBlank(text.charCodeAt(index - 1)))) return -1
      end = after
    } else if (line.charCodeAt(end) === text.charCodeAt(index)) end += 1
    else return -1
  }
  return end
}

/** The first place of a text at or after a position, and where it ends. */
function findText(line: string, from: number, text: string, most: number): [begins: number, ends: number] {
  const last = Math.min(line.length, most)
  const first = text.charCodeAt(0)
  for (let at = from; at <= last; at += 1) {
    if (isBlank(first) ? !isBlank(line.charCodeAt(at)) && at < line.length : line.charCodeAt(at) !== first) continue
    const end = textAt(line, at, text, false)
    if (end !== -1) return [at, end]
  }
  return [-1, -1]
}
