import { severityNamed, severityOfField } from '../schema/severityNames.ts'
import type { Severity } from '../schema/severity.ts'
import type { Json } from '../schema/text.ts'
import { monologObject } from './monologExceptions.ts'
import { placeholder } from './pattern.ts'
import { traceText } from './stackTrace.ts'

/** The fields of a structured message that may hold its text, the first with a text counts. */
export const messageFields: readonly string[] = [
  'message',
  'msg',
  '@mt',
  '@m',
  'log',
  'body',
  'event',
  'short_message',
  'textPayload',
  'jsonPayload',
  'text',
]

/** What the body of a log record says. */
export interface Said {
  /** The text whose pattern identifies the message. */
  text: string
  /** The severity that the body names; null without one. */
  severity: Severity | null
}

/**
 * What a body says: the text to be masked, and the severity it names.
 *
 * | body | its text |
 * |---|---|
 * | a map, or a text that is JSON | the first of `fields` with a text; without one its keys, with `<*>` for values |
 * | logfmt with such a field | the text of this field |
 * | syslog (RFC 5424, RFC 3164), an entry of journald's export | the message after the header, or in `MESSAGE` |
 * | a stack trace | its exceptions and where they arose: {@link traceText} |
 * | any other text | the text, without the codes for colours |
 *
 * Names of fields match in any case, and `a.b` is also `b` in `a`. A message inside another one is
 * read too; the severity is that of the innermost that names one. Takes linear time.
 */
export function saidIn(body: Json, fields: readonly string[] = messageFields): Said {
  return typeof body === 'string' ? saidInText(body, fields, 0) : (saidInJson(body, fields, 0) ?? saidInKeys(body))
}

/**
 * Replaces values that the masks of `patternOf` would take for something else: padded base64, which
 * looks like a key, and the number after a word (`errors:5`), which looks like a port.
 */
export function withoutValues(text: string): string {
  const head = text.length > maxMasked ? text.slice(0, maxMasked) : text
  const plain = head.includes('=')
    ? head.replace(/(?<![\w+/=-])[\w+/-]{2,1024}={1,2}(?![\w=])/g, (token) => (isBase64(token) ? placeholder : token))
    : head
  return plain.replace(numberAfterWord, `$1:${placeholder}`)
}

/**
 * A text for which the masks make the line of {@link withoutValues}, but for white space, with its
 * numbers still in it.
 */
export const withValuesApart = (text: string): string => withoutValues(text.replace(numberAfterWord, '$1: $2'))

const numberAfterWord = /(?<![\w.:/@-])(?!localhost:)([A-Za-z_]{2,64}):(\d{1,5})(?![\w.:])/g

/** More than a pattern reads, since some of it may go. */
const maxMasked = 8_192

/** How deep messages inside messages are read. */
const maxNesting = 5
/** A longer text that is not JSON counts by its two ends: the cause of an exception comes last. */
const maxEnd = 128 * 1024

const severityFields = [
  'level',
  'severity',
  'lvl',
  'loglevel',
  'log_level',
  'log.level',
  'levelname',
  'level_name',
  'severity_text',
  'severityText',
  '@l',
  'severityNumber',
  'severity_number',
  'levelno',
  'priority',
]

const traceFields = [
  'stack_trace',
  'stacktrace',
  'stack',
  'exception',
  'exc_info',
  'traceback',
  'error.stack_trace',
  'error.stack',
  'err.stack',
  'exception.stacktrace',
  'exception.stack_trace',
  'exception.stack',
  '@x',
]

function saidInText(body: string, fields: readonly string[], depth: number): Said {
  const first = /\S/.exec(body)?.[0]
  if (depth < maxNesting && (first === '{' || first === '[')) {
    const value = parsed(body)
    const said = value === undefined ? saidInBroken(body, fields, depth) : (saidInJson(value, fields, depth) ?? saidInKeys(value))
    if (said !== null) return said
  }
  const bounded = body.length > 2 * maxEnd ? `${body.slice(0, maxEnd)}\n${body.slice(-maxEnd)}` : body
  const text = withoutColours(bounded)
  if (depth < maxNesting) {
    const within = saidInSyslog(text, fields, depth) ?? (text.includes('=') ? saidInPairs(text, fields, depth) : null)
    if (within !== null) return within
  }
  return { text: traceText(text) ?? text.replaceAll('\n', ' '), severity: null }
}

/** The message of a map as it was written, or undefined. */
export function messageIn(body: Json, fields: readonly string[] = messageFields): string | undefined {
  if (!isObject(body)) return undefined
  const find = finder(body)
  for (const name of fields) {
    const text = textOf(find(name))
    if (text !== undefined) return text
  }
  return undefined
}

/** JSON, or undefined. */
function parsed(text: string): Json | undefined {
  const last = text.trimEnd().at(-1)
  if (last !== '}' && last !== ']') return undefined
  try {
    const value: unknown = JSON.parse(text)
    return isJson(value) ? value : undefined
  } catch {
    return undefined
  }
}

/** JSON.parse gives nothing else than an object or an array for such a text. */
const isJson = (value: unknown): value is Json => typeof value === 'object' && value !== null

function saidInJson(value: Json, fields: readonly string[], depth: number): Said | null {
  if (value === null || typeof value !== 'object' || Array.isArray(value)) return null
  const find = finder(value)
  const severity = severityIn(find)
  for (const name of fields) {
    const found = find(name)
    const text = textOf(found)
    const said =
      text !== undefined
        ? saidInText(text, fields, depth + 1)
        : isObject(found) && depth < maxNesting
          ? saidInJson(found, fields, depth + 1)
          : null
    if (said === null || said.text.trim() === '') continue
    return { text: withTrace(said.text, find), severity: said.severity ?? severity }
  }
  return null
}

/** Data without a message. */
function saidInKeys(value: Json): Said {
  return { text: keysOf(value), severity: isObject(value) ? severityIn(finder(value)) : null }
}

/** The trace in a field beside the message says which of several causes it was. */
function withTrace(text: string, find: (name: string) => Json | undefined): string {
  for (const name of traceFields) {
    const value = find(name)
    const trace =
      typeof value === 'string' ? traceText(value.length > 2 * maxEnd ? `${value.slice(0, maxEnd)}\n${value.slice(-maxEnd)}` : value) : null
    if (trace !== null) return `${text} ${trace}`
  }
  const exceptions = exceptionsIn(find('exception') ?? null, 0)
  return exceptions === '' ? text : (traceText(`${text.replaceAll('\n', ' ')}${exceptions}`) ?? text)
}

/**
 * An exception as Monolog's JSON has it, with those before, as in its lines; empty for another
 * value.
 */
function exceptionsIn(value: Json, depth: number): string {
  if (!isObject(value) || depth >= maxNesting) return ''
  const { class: type, message, file, previous = null } = value
  if (typeof type !== 'string' || typeof message !== 'string' || typeof file !== 'string') return ''
  const [name = '', said = '', place = ''] = [type, message, file].map((text) => text.slice(0, 1_000).replaceAll('\n', ' '))
  return `${depth === 0 ? ' ' : '\n'}${monologObject}${name}(code: 0): ${said} at ${place})${exceptionsIn(previous, depth + 1)}`
}

function severityIn(find: (name: string) => Json | undefined): Severity | null {
  for (const name of severityFields) {
    const severity = severityOfField(name, find(name))
    if (severity !== null) return severity
  }
  return null
}

const isObject = (value: Json | undefined): value is { [key: string]: Json } =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

/** Looks fields up: as written, then in any case, then as a path. */
function finder(object: { [key: string]: Json }): (name: string) => Json | undefined {
  const byLower = new Map<string, Json>()
  for (const key of Object.keys(object)) {
    const lower = key.toLowerCase()
    if (!byLower.has(lower)) byLower.set(lower, object[key]!)
  }
  return (name) => {
    if (Object.hasOwn(object, name)) return object[name]
    const found = byLower.get(name.toLowerCase())
    const dot = name.indexOf('.')
    if (found !== undefined || dot <= 0) return found
    const outer = byLower.get(name.slice(0, dot).toLowerCase())
    return isObject(outer) ? finder(outer)(name.slice(dot + 1)) : undefined
  }
}

/** A text that is not blank; journald writes one that is not UTF-8 as an array of its bytes. */
function textOf(value: Json | undefined): string | undefined {
  if (typeof value === 'string') return value.trim() === '' ? undefined : value
  if (!Array.isArray(value) || value.length === 0) return undefined
  if (typeof value[0] === 'string') return textOf(value[0])
  const bytes = value.slice(0, 2 * maxEnd).filter((byte) => typeof byte === 'number' && Number.isInteger(byte) && byte >= 0 && byte <= 255)
  return bytes.length < Math.min(value.length, 2 * maxEnd) ? undefined : textOf(Buffer.from(bytes as number[]).toString())
}

/** JSON that was cut off: the fields are read as far as they are there. */
function saidInBroken(text: string, fields: readonly string[], depth: number): Said | null {
  if (!/^\s*\{\s*"/.test(text.slice(0, 1024))) return null
  const head = text.slice(0, maxEnd)
  const find = (name: string) => stringAfter(head, name)
  const severity = severityIn(find)
  for (const name of fields) {
    const found = find(name)
    if (found === undefined || found.trim() === '') continue
    const said = saidInText(found, fields, depth + 1)
    return { text: said.text, severity: said.severity ?? severity }
  }
  return null
}

function stringAfter(text: string, name: string): string | undefined {
  const key = JSON.stringify(name)
  const at = text.indexOf(key)
  if (at === -1) return undefined
  const start = /^\s{0,8}:\s{0,8}"/.exec(text.slice(at + key.length, at + key.length + 20))
  if (start === null) return undefined
  const from = at + key.length + start[0].length
  let to = from
  while (to < text.length && text[to] !== '"') to += text[to] === '\\' ? 2 : 1
  return unescaped(text.slice(from, to))
}

function unescaped(text: string): string {
  if (!text.includes('\\')) return text
  return text.replace(/\\(?:u([0-9a-fA-F]{4})|(.))/g, (_, code: string | undefined, letter: string | undefined) =>
    code === undefined
      ? ({ n: '\n', t: '\t', r: '\r', b: '\b', f: '\f' }[letter!] ?? letter!)
      : String.fromCharCode(Number.parseInt(code, 16)),
  )
}

/** The keys of data without a message, in order, however deep. */
function keysOf(value: Json): string {
  const keys = new Set<string>()
  let seen = 0
  const visit = (part: Json, path: string, depth: number) => {
    seen += 1
    if (seen > 2_000 || keys.size >= 100) return
    if (typeof part === 'object' && part !== null && depth < maxKeyDepth) {
      if (Array.isArray(part)) {
        for (const item of part.slice(0, 100)) visit(item, `${path}[]`, depth + 1)
        if (part.length > 0) return
      } else {
        const names = Object.keys(part).sort()
        for (const name of names.slice(0, 100)) visit(part[name]!, path === '' ? keyText(name) : `${path}.${keyText(name)}`, depth + 1)
        if (names.length > 0) return
      }
    }
    keys.add(path === '' ? placeholder : `${path}=${placeholder}`)
  }
  visit(value, '', 0)
  return [...keys].sort().join(' ')
}

const maxKeyDepth = 6

/** A key that is an id is a value. */
const keyText = (key: string) =>
  /^[\d.:_-]+$/.test(key) || (/\d/.test(key) && /^[0-9a-f-]{8,}$/i.test(key)) ? placeholder : key.slice(0, 64).replace(/[\s"'=]+/g, '_')

/** Codes of terminals: colours, the position of the cursor, titles of windows. */
function withoutColours(text: string): string {
  if (!text.includes('\u001B') && !text.includes('\u009B') && !text.includes('#033[')) return text
  return text.replace(terminalCode, '')
}

// oxlint-disable-next-line no-control-regex
const terminalCode = /(?:\u001B\[|\u009B|#033\[)[0-?]*[ -/]*[@-~]|\u001B\][^\u0007\u001B]*(?:\u0007|\u001B\\)?|\u001B[ -/]?[0-Z\\^-~]/g

const month = '(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'
// Built from parts, they are not literals that the linter can check. They are anchored, each part
// ends at a character that it cannot contain, and test/unit/worstInput.test.ts has the worst input.
// oxlint-disable-next-line patterns/linear
const rfc5424 = new RegExp(
  String.raw`^\s{0,8}<(\d{1,3})>\d{1,2} (?:-|\d{4}-\d\d-\d\dT\S{1,40}) \S{1,255} \S{1,48} \S{1,128} \S{1,32} (?:-|(?:\[[^\s\]="]{1,32}(?: [^\s\]="]{1,32}="[^"\\]*(?:\\.[^"\\]*)*")*\])+)(?:\s|$)`,
  's',
)
const iso = String.raw`\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S{0,20}`
const bsd = String.raw`${month} [ \d]\d (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d{1,9})?`
// oxlint-disable-next-line patterns/linear
const rfc3164 = new RegExp(String.raw`^\s{0,8}<(\d{1,3})>(?:(?:${bsd}|${iso}) \S{1,255} (?:[\w./@()-]{1,128}(?:\[[^\s\]]{1,64}\])?: ?)?)?`)
// oxlint-disable-next-line patterns/linear
const unnumbered = new RegExp(
  String.raw`^\s{0,8}(?:${bsd} ([^\s:]{1,255}) [\w./@()-]{1,128}(?:\[[^\s\]]{1,64}\])?:|${iso} ([^\s:]{1,255}) [\w./@()-]{1,128}\[\d{1,10}\]:)(?:\s|$)`,
)

/** The message after a header of syslog. */
function saidInSyslog(text: string, fields: readonly string[], depth: number): Said | null {
  const header = rfc5424.exec(text) ?? rfc3164.exec(text) ?? unnumbered.exec(text)
  if (header === null) return null
  const number = header[0].includes('<') ? Number(header[1]) : null
  if (number !== null ? number > 191 : severityNamed(header[1] ?? header[2]) !== null) return null
  const message = text.slice(header[0].length).replace(/^\uFEFF?(?:@cee:)?\s{0,64}/, '')
  if (message.trim() === '') return null
  const said = saidInText(message, fields, depth + 1)
  return { text: said.text, severity: said.severity ?? (number === null ? null : severityOfField('priority', number % 8)) }
}

/** logfmt, and the fields of a journal entry, one on each line. */
function saidInPairs(text: string, fields: readonly string[], depth: number): Said | null {
  const pairs = /^[A-Z_][A-Z0-9_]*=[^\n]*\n/.test(text) ? journalPairs(text) : logfmtPairs(text)
  if (pairs === null || pairs.size < 2) return null
  const find = finder(Object.fromEntries(pairs))
  const severity = severityIn(find)
  // Words without a value are prose: then no field alone is the message.
  const isProse = [...pairs.values()].includes(null)
  for (const name of isProse ? [] : fields) {
    const found = textOf(find(name))
    if (found === undefined) continue
    const said = saidInText(found, fields, depth + 1)
    return { text: withTrace(said.text, find), severity: said.severity ?? severity }
  }
  return severity === null ? null : { text, severity }
}

function logfmtPairs(text: string): Map<string, string | null> | null {
  const pairs = new Map<string, string | null>()
  const pair = /\s*([A-Za-z_@][\w.@/-]{0,63})(?:=(?:"([^"\\]*(?:\\.[^"\\]*)*)"|([^\s"]*)))?(?=\s|$)/sy
  const end = text.trimEnd().length
  while (pair.lastIndex < end) {
    const found = pair.exec(text)
    if (found === null) return null
    const [, key, quoted, bare] = found
    // A first word without a value: prose.
    if (pairs.size === 0 && quoted === undefined && bare === undefined) return null
    if (pairs.size < 200) pairs.set(key!, quoted === undefined ? (bare ?? null) : unescaped(quoted))
  }
  return pairs
}

function journalPairs(text: string): Map<string, string> | null {
  const pairs = new Map<string, string>()
  for (const line of text.split('\n', 500)) {
    const equals = line.indexOf('=')
    if (equals > 0 && equals <= 64 && /^[A-Z_][A-Z0-9_]*$/.test(line.slice(0, equals)))
      pairs.set(line.slice(0, equals), line.slice(equals + 1))
  }
  return pairs.has('MESSAGE') ? pairs : null
}

/** Whether a token with padding can be base64; a name before `=` hardly ever can. */
function isBase64(token: string): boolean {
  if (token.length % 4 !== 0 || token.length < 8) return false
  const isTwo = token.endsWith('==')
  const data = token.slice(0, isTwo ? -2 : -1)
  // The bits that the padding leaves over are zero.
  if (!(isTwo ? /[AQgw]$/ : /[AEIMQUYcgkosw048]$/).test(data)) return false
  if (isTwo) return true
  return /[A-Z]/.test(data) && (/\d/.test(data) || (data.match(/[a-z][A-Z]/g)?.length ?? 0) > 2)
}
