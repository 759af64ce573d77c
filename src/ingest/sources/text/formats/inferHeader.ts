import { levelAt } from './headerTemplate.ts'

/** How many of the lines must have a part of the header. */
const share = 0.9
/** A header has no more parts. */
const maxParts = 12
/** How many words may stand before the level. */
const maxWords = 8

/** A part of a header: its template, and how it looks. */
interface Part {
  template: string
  pattern: RegExp
}

const separators = ['---', '--', '-', '|', ':', ',', ']:', '] :', '] -', ']', ')', '|'] as const

/** A name that ends with a colon, or that a dash or a colon follows. */
const loggers: readonly Part[] = [
  { template: '<logger> -', pattern: /[\w$./@#~*:<>-]{1,200}\s{1,100}-(?=\s)/y },
  { template: '<logger> :', pattern: /[\w$./@#~*[\]-]{1,200}\s{1,100}:(?=\s)/y },
  { template: '<logger>:', pattern: /(?:[\w$./@#<>~*-]|:(?=\S)){1,200}(?:\[[\w.-]{0,64}\])?:(?=\s|$)/y },
]

const dotted: Part = { template: '<logger>', pattern: /[A-Za-z_][\w$]{0,80}(?:\.[\w$<>]{1,80}){2,20}(?=\s)/y }
const location: Part = { template: '<code.location>', pattern: /[\w./@-]{1,200}\.[a-z]{1,5}:\d{1,6}(?=[\s:])/y }
const bracketed: Part = { template: '[<_>]', pattern: /\[[^[\]]{0,200}(?:\[[^[\]]{0,100}\][^[\]]{0,200}){0,4}\](?=[\s[(:-]|$)/y }
const digits: Part = { template: '<process.pid>', pattern: /#?\d{1,10}(?=[\s\]])/y }
/** A column of a name or a number; one of several words may be the message. */
const column: Part = { template: '<_>', pattern: /[^|\s]{0,100}\s{0,50}(?=\|)/y }
/** What closes the bracket that the time is in. */
const closing: Part = { template: '<logger>]', pattern: /[\w$.:/@#-]{1,200}\](?=\s)/y }
const word: Part = { template: '<_>', pattern: /\S{1,200}(?=\s)/y }

/**
 * The template of what follows the time in most lines: the level, and the parts around it. The
 * message begins where the lines differ.
 *
 * @param rests what follows the time in each line.
 * @param prefix the template of what precedes it.
 */
export function inferHeader(rests: readonly string[], prefix: string): string {
  const least = Math.ceil(rests.length * share)
  let state = rests.map((text) => ({ text, at: 0 }))
  let template = ''
  let hasLevel = prefix.includes('<level>')
  let hasLogger = false

  const endOf = (pattern: RegExp, text: string, at: number): number => {
    const from = skipBlanks(text, at)
    pattern.lastIndex = from
    return pattern.test(text) ? pattern.lastIndex : -1
  }
  /** Takes a part if most lines have it; lines without it take no part in what follows. */
  const take = (template: string, end: (text: string, at: number) => number): string | undefined => {
    const next = state.map(({ text, at }) => ({ text, at: end(text, at) })).filter(({ at }) => at !== -1)
    if (next.length < least || next.length === 0) return undefined
    state = next
    return template
  }
  const takePart = ({ template, pattern }: Part) => take(template, (text, at) => endOf(pattern, text, at))
  const takeText = (literal: string) =>
    take(literal, (text, at) => {
      const from = skipBlanks(text, at)
      const end = from + literal.length
      // A bracket closes what the time is in; columns have no blanks around them.
      const isEnd = /[\])]$/.test(literal) || end >= text.length || /\s/.test(text[end]!) || (/^[|:,]$/.test(literal) && from === at)
      return text.startsWith(literal, from) && isEnd ? end : -1
    })
  const takeLevel = () => {
    for (const [open, close] of [
      ['[', ']'],
      ['(', ')'],
      ['<', '>'],
      ['{', '}'],
      ['', ''],
    ] as const) {
      // Behind a channel, a module, and before the name of a process: local.ERROR, core:error, INFO/Main.
      for (const [before, template] of [
        ['', `${escaped(open)}<level>${close}`],
        ['.', `${escaped(open)}<_>.<level>${close}`],
        [':', `${escaped(open)}<_>:<level>${close}`],
      ] as const) {
        const taken = take(template, (text, at) => {
          let from = skipBlanks(text, at)
          if (!text.startsWith(open, from)) return -1
          from = skipBlanks(text, from + open.length)
          if (before !== '') {
            const found = /^[\w-]{1,64}/.exec(text.slice(from, from + 64))
            if (found === null || text[from + found[0].length] !== before) return -1
            from += found[0].length + 1
          }
          const [name, end] = levelAt(text, from)
          if (name === undefined) return -1
          const closed = skipBlanks(text, end)
          if (close !== '') return text.startsWith(close, closed) ? closed + close.length : -1
          return end >= text.length || /[\s:|,/;\]-]/.test(text[end]!) ? end : -1
        })
        if (taken !== undefined) return taken
      }
    }
    return undefined
  }
  const add = (part: string | undefined): boolean => {
    if (part === undefined) return false
    // Two fields need something between them, and behind these it is a blank.
    template += template.endsWith('>') && part.startsWith('<') ? ` ${part}` : part
    return true
  }
  /** What stands between two parts: blanks, a colon. */
  const gap = () => {
    const isOpen = state.filter(({ text, at }) => isBlank(text.charCodeAt(at)) || at === text.length).length >= least
    if (isOpen && !template.endsWith(' ')) template += ' '
  }

  for (let part = 0; part < maxParts; part += 1) {
    gap()
    if (add(separators.map(takeText).find((taken) => taken !== undefined))) continue
    if (!hasLevel && add(takeLevel())) {
      hasLevel = true
      add(takePart({ template: '/<_>', pattern: /\/[\w.-]{1,64}(?=[\]\s:])/y }))
      continue
    }
    if (add(takePart(bracketed))) continue
    if (add(takePart(digits))) continue
    const isOpen = prefix.endsWith('[') && !template.includes(']')
    if (isOpen && add(takePart(closing))) {
      hasLogger = true
      continue
    }
    if (!hasLogger && add(loggers.map(takePart).find((taken) => taken !== undefined) ?? takePart(location) ?? takePart(dotted))) {
      hasLogger = true
      continue
    }
    if (template.trimEnd().endsWith('|') && add(takePart(column))) continue
    break
  }
  if (!hasLevel) {
    const kept = { state, template }
    for (let words = 1; words <= maxWords && !hasLevel; words += 1) {
      gap()
      if (!add(takePart(word))) break
      hasLevel = add(takeLevel())
    }
    if (!hasLevel) ({ state, template } = kept)
    else {
      gap()
      add(takeText(':') ?? takeText('-') ?? (hasLogger ? undefined : takePart(loggers[2]!)))
    }
  }
  gap()
  return template.replaceAll(/ {2,}/g, ' ')
}

const isBlank = (code: number) => code === 32 || code === 9

function skipBlanks(text: string, at: number): number {
  let end = at
  while (isBlank(text.charCodeAt(end))) end += 1
  return end
}

const escaped = (text: string) => text.replace('<', '\\<')
