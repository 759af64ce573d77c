import { createHash } from 'node:crypto'
import { compareBytes } from '../../schema/compareBytes.ts'
import { placeholder } from '../pattern.ts'
import { familyKeys, valuesFrom, type Thresholds } from './families.ts'
import { wordsIn, type Word } from './words.ts'

/** A template of messages. */
export interface Template {
  /** Its words: what it is known by. */
  readonly key: string
  /** A masked line of it, with placeholders for the words that vary: of all its lines the least by bytes. */
  text: string
  /** The MD5 of its key: 32 hexadecimal digits. */
  readonly fingerprint: string
  /** The template it was merged into. */
  next: Template | undefined
  seen: boolean
  /** The last line that had it, counted from the first of all. */
  last: number
}

/** Templates that are equal but for one word; null once that word is variable. */
type Family = Template[] | null

/** How much {@link Templates} remembers. */
export interface TemplateLimits {
  maxTemplates: number
  maxLines: number
}

/** How many words may follow the same beginning before what follows it is variable. */
const maxFollowing = 300

/** Beginnings of up to this many words are looked at. */
const maxBeginning = 8

/** A masked line that no template has yet. */
interface Unknown {
  key: string
  text: string
  found: readonly Word[]
}

/**
 * The templates of masked lines ({@link wordsOf}). It learns with each line which words vary, so
 * templates are merged; which there are at the end depends on the set of lines, not on their order.
 */
export class Templates {
  /** Beginnings of lines that too many words followed: what follows them is variable. */
  readonly exploded = new Set<string>()
  forgotten = 0
  readonly #limits: TemplateLimits
  readonly #thresholds: Thresholds
  readonly #onMerge: (template: Template) => void
  readonly #lines = new Map<string, Template>()
  #templates = new Map<string, Template>()
  #families = new Map<number, Family>()
  #merged = new Map<string, Template>()
  /** The words that follow a beginning. */
  #following = new Map<string, Set<string>>()
  #count = 0

  /** @param onMerge called with each template that has become part of another one. */
  constructor(limits: TemplateLimits, thresholds: Thresholds, onMerge: (template: Template) => void = () => {}) {
    this.#limits = limits
    this.#thresholds = thresholds
    this.#onMerge = onMerge
  }

  /** Templates that were not merged. */
  get size(): number {
    return this.#templates.size - this.#merged.size
  }

  /** Templates that were merged, by fingerprint. */
  get merged(): ReadonlyMap<string, Template> {
    return this.#merged
  }

  /** The template of a line, which may change what the templates of earlier lines are. */
  learn(line: string): Template {
    this.#count += 1
    const template = this.#ofLine(line)
    template.last = this.#count
    return template
  }

  /** The template that a fingerprint stands for now, if it was merged. */
  resolve(fingerprint: string): Template | undefined {
    const merged = this.#merged.get(fingerprint)
    return merged === undefined ? undefined : current(merged)
  }

  /** The fingerprint of a template with this text. */
  fingerprintOf(text: string): string {
    const words = wordsIn(text).map((word) => word.text)
    return md5(keyOf(text, words))
  }

  /** Whether a line has a template already. */
  has(line: string): boolean {
    return this.#lines.has(line) || isTemplate(this.#find(line))
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
  #find(line: string): Template | Unknown {
    let text = line
    for (;;) {
      const found = wordsIn(text)
      const words = found.map((word) => word.text)
      const key = keyOf(text, words)
      const known = this.#templates.get(key)
      if (known !== undefined) {
        if (compareBytes(text, known.text) < 0) known.text = text
        return current(known)
      }
      if (words.length < 2) return { key, text, found }
      const begun = this.exploded.size === 0 ? 0 : beginnings(words).findIndex((beginning) => this.exploded.has(beginning)) + 1
      const open = begun > 0 ? [] : familyKeys(words).flatMap((family, at) => (this.#isOpen(family) ? [at] : []))
      if (begun === 0 && open.length === 0) return { key, text, found }
      text = begun > 0 ? beginningOf(text, found, begun) : without(text, found, open)
    }
  }

  #insert(line: string): Template {
    const place = this.#find(line)
    if (isTemplate(place)) return place
    const { key, text, found } = place
    const words = found.map((word) => word.text)
    const template = this.#add(key, text)
    if (words.length < 2) return template
    familyKeys(words).forEach((family, at) => this.#join(family, at, words, template))
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
      this.exploded.add(beginning)
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
    const fingerprint = md5(key)
    const template = { key, text, fingerprint, next: undefined, seen: false, last: this.#count }
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
    this.#merged.set(template.fingerprint, template)
    this.#onMerge(template)
  }

  /** Forgets the tenth of the templates that were seen longest ago. */
  #forget(): void {
    const kept = [...this.#templates.values()].sort((a, b) => b.last - a.last).slice(0, Math.floor(this.#limits.maxTemplates * 0.9))
    this.forgotten += this.#templates.size - kept.length
    this.#templates = new Map(kept.map((template) => [template.key, template]))
    const known = new Set(kept)
    for (const [key, family] of this.#families) {
      const left = family?.filter((template) => known.has(template))
      if (left?.length === 0) this.#families.delete(key)
      else if (left !== undefined) this.#families.set(key, left)
    }
    for (const [fingerprint, template] of this.#merged) if (!known.has(template)) this.#merged.delete(fingerprint)
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
export function current(template: Template): Template {
  let last = template
  while (last.next !== undefined) last = last.next
  for (let each = template; each.next !== undefined && each.next !== last;) {
    const { next } = each
    each.next = last
    each = next
  }
  return last
}

const md5 = (text: string): string => createHash('md5').update(text).digest('hex')

const isTemplate = (place: Template | Unknown): place is Template => 'fingerprint' in place

/** Of a single word, the punctuation is all that tells messages from each other. */
const keyOf = (text: string, words: readonly string[]): string => (words.length < 2 ? text : words.join(' '))

/** The words of a template, from its text. */
export const templateKey = (text: string): string =>
  keyOf(
    text,
    wordsIn(text).map((word) => word.text),
  )
