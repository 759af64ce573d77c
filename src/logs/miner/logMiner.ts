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
  /** Beginnings of messages that had too many templates: the rest of such messages is `<*>`. */
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

/** How many templates may begin with the same two words. */
const maxAlike = 300

class Miner implements LogMiner {
  readonly #limits: z.output<typeof options>
  readonly #thresholds: Thresholds
  readonly #lines = new Map<string, Template>()
  #templates = new Map<string, Template>()
  #families = new Map<number, Family>()
  #redirects = new Map<string, Template>()
  #alike = new Map<string, number>()
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
    const keys = familyKeys(words)
    const open = keys.flatMap((family, at) => (this.#isOpen(family) ? [at] : []))
    if (open.length > 0) return this.#insert(without(text, found, open))
    const begin = `${words[0]!} ${words[1]!}`
    const alike = (this.#alike.get(begin) ?? 0) + 1
    if (alike > maxAlike && words.length > 2) {
      this.#exploded.add(begin)
      return this.#insert(`${text.slice(0, found[2]!.at)}${placeholder}`)
    }
    this.#alike.set(begin, alike)
    const template = this.#add(key, text)
    keys.forEach((family, at) => this.#join(family, at, words, template))
    return current(template)
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
    const next = this.#insert(without(template.text, found, open))
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
    this.#alike.clear()
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
