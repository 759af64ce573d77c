import { createHash } from 'node:crypto'
import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { placeholder, wordsOf } from '../pattern.ts'
import { defaultThresholds, familyKeys, valuesFrom, type Thresholds } from './families.ts'
import { parametersOf } from './parameters.ts'
import { wordsIn, type Word } from './words.ts'

export interface LogMinerOptions {
  /** How many templates are kept; the ones seen longest ago are forgotten. Default: 20,000. */
  maxTemplates?: number
  /** How many different masked lines are remembered with their template. Default: 50,000. */
  maxLines?: number
}

/** What a message is. */
export interface LearnedMessage {
  /** 32 hexadecimal digits. The same in every process and order, once the template is known. */
  fingerprint: string
  /** The message, with `<*>` for what varies. */
  template: string
  /** Whether this is the first message of the template. */
  isNew: boolean
  /** What varies in it, in order. Several values in a row may be one `<*>` of the template. */
  readonly parameters: string[]
}

/** How a miner stands. */
export interface LogMinerReport {
  /** Templates that are kept and were not merged. */
  templates: number
  /** Templates that were merged into a more general one. */
  merged: number
  /** Templates that were forgotten, because there are more than `maxTemplates`. */
  forgotten: number
  /** Beginnings of messages that too many words followed: the rest of such messages is `<*>`. */
  exploded: string[]
}

/** Learns the templates of log messages. */
export interface LogMiner {
  /** The template of a message, which may change what the templates of earlier messages are. */
  learn(message: string): LearnedMessage
  /** The fingerprint that a fingerprint stands for now: another one if its template was merged. */
  resolve(fingerprint: string): string
  report(): LogMinerReport
}

/** A template; `next` is the one it was merged into. */
interface Template {
  key: string
  text: string
  fingerprint: string
  next: Template | undefined
  seen: boolean
  /** The last message that had it, counted from the first of all. */
  last: number
}

/** Parameters are looked for when they are read: that takes as long as all the rest. */
class Learned implements LearnedMessage {
  readonly fingerprint: string
  readonly template: string
  readonly isNew: boolean
  readonly #message: string
  readonly #words: string[] | null

  constructor({ key, text, fingerprint }: Template, message: string, isNew: boolean) {
    this.fingerprint = fingerprint
    this.template = text
    this.isNew = isNew
    this.#message = message
    this.#words = key === text ? null : key.split(' ')
  }

  get parameters(): string[] {
    return parametersOf(this.#message, this.#words)
  }
}

/** Templates that are equal but for one word; null once that word is variable. */
type Family = Template[] | null

const options = z.strictObject({
  maxTemplates: z.int().min(100).default(20_000),
  maxLines: z.int().min(0).default(50_000),
})

/**
 * A miner that learns the templates of log messages: which words are part of the message, and which
 * vary.
 *
 * | step | what |
 * |---|---|
 * | masks | numbers, addresses, times, ids are `<*>`, as in {@link patternOf}; values after `=` and quoted words without a digit stay |
 * | words | a template is known by its words: placeholders, their units and punctuation do not count, so `() at <*>` and `(<*>) at <*>` are one |
 * | families | where templates differ in one word, and that word has enough values, it is variable (see {@link Thresholds}), and they become one |
 * | fingerprint | a hash of the template's words. A merged template redirects to the one it became |
 *
 * Which templates there are at the end depends on the set of messages, not on their order. Memory is
 * bounded by `maxTemplates` and `maxLines`.
 *
 * @throws InvalidInputError if an option is invalid; names the field.
 * @example
 * const miner = createLogMiner()
 * miner.learn('session opened for user root by (uid=0)').template // 'session opened for user root by (uid=<*>)'
 */
export function createLogMiner(given: LogMinerOptions = {}): LogMiner {
  return new Miner(parseOptions(options, given), defaultThresholds)
}

/** A miner with other thresholds than the default ones, to compare them. */
export const minerWith = (thresholds: Thresholds): LogMiner => new Miner(parseOptions(options, {}), thresholds)

/** How many words may follow the same beginning before what follows it is variable. */
const maxFollowing = 300

/** Beginnings of up to this many words are looked at. */
const maxBeginning = 8

class Miner implements LogMiner {
  readonly #limits: z.output<typeof options>
  readonly #thresholds: Thresholds
  readonly #lines = new Map<string, Template>()
  #templates = new Map<string, Template>()
  #families = new Map<number, Family>()
  #redirects = new Map<string, Template>()
  /** The words that follow a beginning. */
  #following = new Map<string, Set<string>>()
  readonly #exploded = new Set<string>()
  #messages = 0
  #forgotten = 0

  constructor(limits: z.output<typeof options>, thresholds: Thresholds) {
    this.#limits = limits
    this.#thresholds = thresholds
  }

  learn(message: string): LearnedMessage {
    this.#messages += 1
    const line = wordsOf(message)
    const template = this.#ofLine(line)
    const isNew = !template.seen
    template.seen = true
    template.last = this.#messages
    return new Learned(template, message, isNew)
  }

  resolve(fingerprint: string): string {
    const merged = this.#redirects.get(fingerprint)
    return merged === undefined ? fingerprint : current(merged).fingerprint
  }

  report(): LogMinerReport {
    return {
      templates: this.#templates.size - this.#redirects.size,
      merged: this.#redirects.size,
      forgotten: this.#forgotten,
      exploded: [...this.#exploded].sort(),
    }
  }

  #ofLine(line: string): Template {
    const known = this.#lines.get(line)
    if (known !== undefined) {
      const template = current(known)
      if (template !== known) this.#lines.set(line, template)
      return template
    }
    const template = this.#insert(line)
    if (this.#lines.size >= this.#limits.maxLines) this.#lines.clear()
    this.#lines.set(line, template)
    return template
  }

  /** The template of a masked line, or of a template with more of its words masked. */
  #insert(text: string): Template {
    const found = wordsIn(text)
    const words = found.map((word) => word.text)
    // Of a single word, the punctuation is all that tells messages from each other.
    const key = words.length < 2 ? text : words.join(' ')
    const known = this.#templates.get(key)
    if (known !== undefined) return current(known)
    if (words.length < 2) return this.#add(key, text)
    const begun = this.#exploded.size === 0 ? 0 : beginnings(words).findIndex((beginning) => this.#exploded.has(beginning)) + 1
    if (begun > 0) return this.#insert(beginningOf(text, found, begun))
    const keys = familyKeys(words)
    const open = keys.flatMap((family, at) => (this.#isOpen(family) ? [at] : []))
    if (open.length > 0) return this.#insert(without(text, found, open))
    const template = this.#add(key, text)
    keys.forEach((family, at) => this.#join(family, at, words, template))
    if (template.next === undefined) this.#follow(words)
    return current(template)
  }

  /** Notes which word follows each beginning. If there are too many, all templates that begin so become one. */
  #follow(words: readonly string[]): void {
    for (const [at, beginning] of beginnings(words).entries()) {
      const following = this.#following.get(beginning) ?? new Set()
      this.#following.set(beginning, following.add(words[at + 1]!))
      if (following.size <= maxFollowing) continue
      this.#following.delete(beginning)
      this.#exploded.add(beginning)
      for (const template of this.#templates.values()) {
        if (template.next !== undefined || !template.key.startsWith(`${beginning} `)) continue
        this.#redirect(template, this.#insert(beginningOf(template.text, wordsIn(template.text), at + 1)))
      }
      return
    }
  }

  #isOpen(family: number): boolean {
    return this.#families.get(family) === null
  }

  #add(key: string, text: string): Template {
    if (this.#templates.size >= this.#limits.maxTemplates) this.#forget()
    const fingerprint = createHash('md5').update(key).digest('hex')
    const template = { key, text, fingerprint, next: undefined, seen: false, last: this.#messages }
    this.#templates.set(key, template)
    return template
  }

  /** Adds a template to the family of its word at a place, which may make the word variable. */
  #join(key: number, at: number, words: readonly string[], template: Template): void {
    const family = this.#families.get(key)
    // It became variable while the template joined another family.
    if (family === null) return this.#merge(template)
    if (family === undefined) {
      this.#families.set(key, [template])
      return
    }
    family.push(template)
    const values = family.map((member) => wordsIn(member.text)[at]!.text)
    if (family.length < valuesFrom(words, at, values, this.#thresholds)) return
    this.#families.set(key, null)
    for (const member of family) this.#merge(member)
  }

  /** Merges a template into the one without its variable words. */
  #merge(template: Template): void {
    const found = wordsIn(template.text)
    const open = familyKeys(found.map((word) => word.text)).flatMap((family, at) => (this.#isOpen(family) ? [at] : []))
    this.#redirect(template, this.#insert(without(template.text, found, open)))
  }

  #redirect(template: Template, next: Template): void {
    if (next === template || template.next === next) return
    next.seen ||= template.seen
    next.last = Math.max(next.last, template.last)
    template.next = next
    this.#redirects.set(template.fingerprint, template)
  }

  /** Forgets the tenth of the templates that were seen longest ago. */
  #forget(): void {
    const kept = [...this.#templates.values()].sort((a, b) => b.last - a.last).slice(0, Math.floor(this.#limits.maxTemplates * 0.9))
    this.#forgotten += this.#templates.size - kept.length
    this.#templates = new Map(kept.map((template) => [template.key, template]))
    const known = new Set(kept)
    for (const [key, family] of this.#families) {
      const left = family?.filter((template) => known.has(template))
      if (left?.length === 0) this.#families.delete(key)
      else if (left !== undefined) this.#families.set(key, left)
    }
    for (const [fingerprint, template] of this.#redirects) if (!known.has(template)) this.#redirects.delete(fingerprint)
    this.#following.clear()
    this.#lines.clear()
  }
}

/** A text with the words at some places as placeholders. */
function without(text: string, words: readonly Word[], places: readonly number[]): string {
  let left = ''
  let from = 0
  for (const at of places) {
    const word = words[at]!
    left += text.slice(from, word.at) + placeholder
    from = word.at + word.text.length
  }
  return (left + text.slice(from)).replace(runs, placeholder)
}

/** The beginnings of a template that something follows: its first word, its first two words, ... */
function beginnings(words: readonly string[]): string[] {
  const all: string[] = []
  let beginning = ''
  for (const word of words.slice(0, Math.min(words.length - 1, maxBeginning))) {
    beginning = beginning === '' ? word : `${beginning} ${word}`
    all.push(beginning)
  }
  return all
}

/** A text up to its first words, with a placeholder for the rest. */
const beginningOf = (text: string, words: readonly Word[], count: number): string => `${text.slice(0, words[count]!.at)}${placeholder}`

/** Placeholders with nothing but punctuation between them. */
const runs = /<\*>(?:[ ,;:|/.()-]*<\*>)+/g

/** What a template became, the way there shortened. */
function current(template: Template): Template {
  let last = template
  while (last.next !== undefined) last = last.next
  for (let each = template; each.next !== undefined && each.next !== last;) {
    const { next } = each
    each.next = last
    each = next
  }
  return last
}
