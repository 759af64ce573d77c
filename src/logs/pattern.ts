/**
 * The longest part of a message that counts, in characters: later differences do not change the
 * pattern.
 */
export const maxMessageLength = 2048
/** The longest pattern, in characters. */
export const maxPatternLength = 1024
/** The placeholder for a variable part of a message. */
export const placeholder = '<*>'

/**
 * The pattern of a log message: the message with its variable parts replaced by `<*>`.
 *
 * It is stateless and deterministic: a message has the same pattern in every process and in any
 * order of messages. Two collectors, or one that restarts, therefore count under one fingerprint.
 * Miners that learn a tree of templates (Drain: He et al., ICWS 2017) find more patterns, but
 * different ones in each run. The order of masks follows their preprocessing steps.
 *
 * | | |
 * |---|---|
 * | variable | URLs, e-mail addresses, UUIDs, dates and times, IP and MAC addresses, host names, hexadecimal and decimal numbers with or without a unit, words and paths with a digit, what follows `=`, and quoted text without white space or with a digit |
 * | fixed | quoted text before a colon (a JSON key); the method of a quoted request line |
 * | three or more variable parts in a list | count as one |
 * | white space | is collapsed |
 * | a stack trace | is left out: lines that start with white space and `at`, or Python's `File` |
 * | a blank message | is `<empty>` |
 * | NUL and lone surrogates | become U+FFFD, because PostgreSQL cannot store them |
 *
 * It masks a text as it is, and knows no other message. `ingest` first reads what a body says, and
 * learns from all messages which words vary (`createLogMiner`).
 *
 * @example
 * patternOf('payment 8a1f-77 timed out after 1873 ms, attempt=2') // 'payment <*> timed out after <*> ms, attempt=<*>'
 */
export function patternOf(message: string): string {
  const text = cut(message)
  return text === '' ? '<empty>' : masked(text, mask)
}

/**
 * The same for a miner that learns which words vary: what may be a state stays, such as the values
 * after `=` and quoted words without a digit.
 */
export function wordsOf(message: string): string {
  const text = cut(message)
  return text === '' ? '<empty>' : masked(text, maskLess)
}

/** A part of a message: as it is, and what the miner's masks make of it. */
export interface MaskedPart {
  at: number
  text: string
  variable: boolean
}

/** The parts of a message as {@link wordsOf} sees them: those that its masks replace, and the others. */
export function partsOf(message: string): MaskedPart[] {
  const text = cut(message)
  const parts: MaskedPart[] = []
  let from = 0
  const push = (to: number, isVariable: boolean) => {
    if (to > from) parts.push({ at: from, text: text.slice(from, to), variable: isVariable })
    from = to
  }
  for (const found of text.matchAll(variable)) {
    const [match, ...groups] = found
    const masked = maskLess(match, ...groups)
    if (masked === match) continue
    const before = masked.indexOf(placeholder)
    push(found.index + before, false)
    push(found.index + match.length - (masked.length - before - placeholder.length), true)
  }
  push(text.length, false)
  return parts
}

function cut(message: string): string {
  const head = message.length > maxMessageLength ? message.slice(0, maxMessageLength) : message
  const trace = head.includes('\n') ? head.search(stackFrame) : -1
  const text = storable(trace === -1 ? head : head.slice(0, trace))
  return unevenSpace.test(text) ? text.replace(/\s+/g, ' ').trim() : text
}

function masked(text: string, replacer: typeof mask): string {
  const pattern = text.replace(variable, replacer).replace(list, placeholder)
  return pattern.length > maxPatternLength ? pattern.slice(0, maxPatternLength).toWellFormed() : pattern
}

/** Text that PostgreSQL can store: NUL and lone surrogates become U+FFFD. */
export function storable(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed()
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\uFFFD') : wellFormed
}

const unevenSpace = /[^\S ]| (?: |$)|^ /

const stackFrame = /\n[^\S\n]+(?:at |File ")/

const dayOrMonth = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'

// Built from parts, it is not a literal that the linter can check. It sees at most 2,048
// characters, and test/unit/worstInput.test.ts gives it the worst input. It makes one pass: each
// alternative consumes its match, so no mask works on the result of another.
// oxlint-disable-next-line patterns/linear
const variable = new RegExp(
  [
    // Several plain words at once, the last one with punctuation after it: most of a message, and
    // no alternative below would replace them. Each match costs more than its length.
    String.raw`((?<!\S)(?:(?!${dayOrMonth})[A-Za-z]{2,}(?: |(?=[,;:.)\]]?(?: |$))))+)`,
    // A URL, without the punctuation after it.
    String.raw`\b[a-z][a-z0-9+.-]{1,15}:\/\/[^\s"'<>\])}]+`,
    // An e-mail address.
    String.raw`(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+`,
    // key=value; the key is kept.
    String.raw`((?<![\w.-])[A-Za-z_][\w.-]{0,63}=)(?:"[^"]*"|'[^']*'|[^\s"',;&)\]}]*)`,
    // Quoted text; the function decides which is kept.
    String.raw`"([^"]*)"(\s?:)?`,
    String.raw`(?<!\w)'([^']*)'(?!\w)`,
    // A path on a Windows drive; a path, which is variable if it has a digit.
    String.raw`(?<![\w<])[A-Za-z]:\\[^\s"']+`,
    String.raw`((?<![\w.)])\/[^\s"',;()\[\]{}<>=]+)`,
    // An ISO 8601 date, or date and time.
    String.raw`\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\w)`,
    // A host name and its port.
    String.raw`(?<![\w.-])(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+:\d{1,5}(?![\w.:])`,
    // An IPv6 or MAC address.
    String.raw`(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,31}[0-9a-fA-F]{0,4}(?![\w:])`,
    // A date in words, with its time and year.
    String.raw`\b(?:${dayOrMonth}[a-z]*,? )?${dayOrMonth}[a-z]* \d{1,2}(?:,? \d{1,2}:\d\d(?::\d\d)?)?(?:,? \d{4})?(?!\w)`,
    // A host name.
    String.raw`(?<![\w.-])(?:[a-z0-9_-]+\.)+(?:com|net|org|edu|gov|io|dev|local|internal|localdomain|svc|[a-z]{2})(?![\w.-])`,
    // A time of day.
    String.raw`\d{1,2}:\d\d(?::\d\d)?(?:[.,:]\d+)?(?!\w)`,
    // A word: variable if it has a digit, as numbers, units, versions, ids and hexadecimal numbers
    // have.
    String.raw`((?<!\w)-?[\w$]+(?:[._,-]{1,2}[\w$]+)*%?)`,
  ].join('|'),
  'gu',
)

const list = /<\*>(?:(?:, ?|; ?|\|| )<\*>){2,}/g

// The groups come by position, in the order above: an object of named groups for each match, or an
// array, would cost more than the matching.
function mask(match: string, fixed?: string, key?: string, double?: string, colon?: string, single?: string, path?: string, word?: string) {
  if (fixed !== undefined) return match
  if (key !== undefined) return key + placeholder
  if (double !== undefined) return colon !== undefined || isFixed(double) ? match : quotedMask(double)
  if (single !== undefined) return isFixed(single) ? match : `'${placeholder}'`
  const candidate = path ?? word
  return candidate !== undefined && !/\d/.test(candidate) ? match : placeholder
}

function maskLess(
  match: string,
  fixed?: string,
  key?: string,
  double?: string,
  colon?: string,
  single?: string,
  path?: string,
  word?: string,
) {
  if (fixed !== undefined) return match
  // A word without a digit, or with one at its end (IPv4 and IPv6, en0 and en1), stays; a long
  // name with hyphens does not.
  if (word !== undefined) return /^\D*$|^[A-Za-z]{2,}\d$/.test(word) && !(word.length > 20 && /-.*-.*-/.test(word)) ? match : placeholder
  if (path !== undefined) return /\d|\/.*\//.test(path) ? placeholder : match
  if (key !== undefined) return isState(match.slice(key.length)) ? match : key + placeholder
  if (double !== undefined) return colon !== undefined || isFixed(double) || isState(double) ? match : quotedMask(double)
  if (single !== undefined) return isFixed(single) || isState(single) ? match : `'${placeholder}'`
  return placeholder
}

/** The method of a quoted request line stays. */
function quotedMask(quoted: string): string {
  const method = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /.exec(quoted)
  return `"${method?.[0] ?? ''}${placeholder}"`
}

/** Whether a value may be one of few. */
const isState = (value: string) => value.length <= 40 && !/[\d./\\@:]/.test(value)

/** Quoted words are part of the message; a quoted name is a variable part. */
const isFixed = (quoted: string) => quoted === '' || (/\s/.test(quoted) && !/\d/.test(quoted))
