/** The most characters of a message that are looked at: what differs later is the same pattern. */
export const maxMessageLength = 2048
/** The longest pattern, in characters. */
export const maxPatternLength = 1024
/** What stands in a pattern for a variable part. */
export const placeholder = '<*>'

/**
 * The pattern of a log message: the message with its variable parts replaced by `<*>`.
 *
 * Stateless and deterministic: a message has the same pattern in every process, in every order of
 * messages, today and tomorrow, so that two collectors, or one that starts again, count under one
 * fingerprint. That is what sets it apart from miners that learn a tree of templates as they read
 * (Drain: He et al., ICWS 2017), which find more patterns but different ones in each run. The order
 * of masks follows their preprocessing steps.
 *
 * Variable are: URLs, e-mail addresses, UUIDs, dates and times, IP and MAC addresses, host names,
 * hexadecimal and decimal numbers with or without a unit, words with a digit in them, paths with a
 * digit in them, what stands after `=`, and quoted text without white space or with a digit, unless
 * a colon follows (a JSON key); of a quoted request line the method stays. A list of three or more
 * variable parts counts as one. White space is collapsed; a stack trace (lines that start with
 * white space and `at`, or Python's `File`) is left out. Never empty: a blank message is `<empty>`.
 *
 * NUL and lone surrogates, which PostgreSQL cannot store, become U+FFFD.
 *
 * @example
 * patternOf('payment 8a1f-77 timed out after 1873 ms, attempt=2') // 'payment <*> timed out after <*> ms, attempt=<*>'
 */
export function patternOf(message: string): string {
  const head = message.length > maxMessageLength ? message.slice(0, maxMessageLength) : message
  const trace = head.search(stackFrame)
  const text = storable(trace === -1 ? head : head.slice(0, trace))
    .replace(/\s+/g, ' ')
    .trim()
  if (text === '') return '<empty>'
  const masked = text.replace(variable, mask).replace(list, placeholder)
  return masked.length > maxPatternLength ? masked.slice(0, maxPatternLength).toWellFormed() : masked
}

/** Text as PostgreSQL can store it: NUL and lone surrogates become U+FFFD. */
export function storable(text: string): string {
  const wellFormed = text.isWellFormed() ? text : text.toWellFormed()
  return wellFormed.includes('\0') ? wellFormed.replaceAll('\0', '\uFFFD') : wellFormed
}

const stackFrame = /\n[^\S\n]+(?:at |File ")/

const dayOrMonth = '(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun|Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)'

// Put together, it is no literal that the linter could check: at most 2,048 characters are matched,
// and test/unit/worstInput.test.ts feeds it the worst. One pass over the text: each alternative
// consumes what it matches, so a mask never works on another's result.
// oxlint-disable-next-line patterns/linear
const variable = new RegExp(
  [
    // Plain words, several at once: most of most messages, and nothing below could match them.
    String.raw`((?<!\S)(?:(?!${dayOrMonth})[A-Za-z]{2,} )+)`,
    // A URL, without the sentence's punctuation after it.
    String.raw`\b[a-z][a-z0-9+.-]{1,15}:\/\/[^\s"'<>\])}]+`,
    // An e-mail address.
    String.raw`(?<![\w.+-])[\w.+-]{1,64}@[\w-]+(?:\.[\w-]+)+`,
    // key=value; the key stays.
    String.raw`((?<![\w.-])[A-Za-z_][\w.-]{0,63}=)(?:"[^"]*"|'[^']*'|[^\s"',;&)\]}]*)`,
    // Quoted text; see the function for which stays.
    String.raw`"([^"]*)"(\s?:)?`,
    String.raw`(?<!\w)'([^']*)'(?!\w)`,
    // A path of a Windows drive; a path, variable when it has a digit.
    String.raw`(?<![\w<])[A-Za-z]:\\[^\s"']+`,
    String.raw`((?<![\w.)])\/[^\s"',;()\[\]{}<>=]+)`,
    // A date, or a date and time, of ISO 8601.
    String.raw`\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?:Z|[+-]\d\d:?\d\d)?)?(?!\w)`,
    // A host name and its port.
    String.raw`(?<![\w.-])(?:[A-Za-z0-9_-]+\.)*[A-Za-z0-9_-]+:\d{1,5}(?![\w.:])`,
    // An IPv6 or MAC address.
    String.raw`(?<![\w:])(?:[0-9a-fA-F]{0,4}:){2,7}[0-9a-fA-F]{0,4}(?![\w:])`,
    // A date in words, with its time and year.
    String.raw`\b(?:${dayOrMonth}[a-z]*,? )?${dayOrMonth}[a-z]* \d{1,2}(?:,? \d{1,2}:\d\d(?::\d\d)?)?(?:,? \d{4})?(?!\w)`,
    // A host name.
    String.raw`(?<![\w.-])(?:[a-z0-9_-]+\.)+(?:com|net|org|edu|gov|io|dev|local|internal|localdomain|svc|[a-z]{2})(?![\w.-])`,
    // A time of day.
    String.raw`\d{1,2}:\d\d(?::\d\d)?(?:[.,:]\d+)?(?!\w)`,
    // A word: variable when it has a digit, as numbers, units, versions, ids and hexadecimal have.
    String.raw`((?<!\w)-?[\w$]+(?:[._,-]+[\w$]+)*%?)`,
  ].join('|'),
  'gu',
)

const list = /<\*>(?:(?:, ?|; ?|\|| )<\*>){2,}/g

// The groups come by position, in the order they stand above: an object of their names for each
// match would cost more than the matching.
function mask(match: string, ...groups: (string | undefined)[]): string {
  const [fixed, key, double, colon, single, path, word] = groups
  if (fixed !== undefined) return match
  if (key !== undefined) return key + placeholder
  if (double !== undefined) {
    if (colon !== undefined || isFixed(double)) return match
    const method = /^(?:GET|HEAD|POST|PUT|PATCH|DELETE|OPTIONS) /.exec(double)
    return `"${method?.[0] ?? ''}${placeholder}"`
  }
  if (single !== undefined) return isFixed(single) ? match : `'${placeholder}'`
  const candidate = path ?? word
  if (candidate !== undefined) return /\d/.test(candidate) ? placeholder : match
  return placeholder
}

/** Quoted words are part of the message; a quoted name is its variable. */
const isFixed = (quoted: string) => quoted === '' || (/\s/.test(quoted) && !/\d/.test(quoted))
