import { createHash } from 'node:crypto'
import { compareBytes } from '../../schema/compareBytes.ts'
import { placeholder } from '../pattern.ts'
import { familyKeys, valuesFrom, type Thresholds } from './families.ts'
import { maxWords, wordsIn, type Word } from './words.ts'

/** A template of messages. */
export interface Template {
  /** What it is known by: its words, or its text if it has fewer than two. */
  readonly key: string
  readonly words: readonly string[]
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

/** What no template has yet. */
type Unknown = Pick<Template, 'key' | 'words' | 'text'>

/**
 * The templates of masked lines ({@link wordsOf}). It learns with each line which words vary, so
 * templates are merged; which there are at the end depends on the set of lines, not on their order,
 * as long as no beginning explodes. What becomes of a template depends on its words alone, never on
 * its text.
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
  #isLoading = false

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

  /** Adds a template that was learnt before, which explodes nothing. */
  load({ words, text }: Pick<Template, 'words' | 'text'>): Template {
    this.#isLoading = true
    const template = this.#insert(words, text)
    this.#isLoading = false
    return template
  }

  /** Whether a line has a template already. */
  has(line: string): boolean {
    return this.#lines.has(line) || isTemplate(this.#find(...wordsAndText(line)))
  }

  #ofLine(line: string): Template {
    const known = this.#lines.get(line)
    if (known !== undefined) {
      const template = current(known)
      if (template !== known) this.#lines.set(line, template)
      return template
    }
    const template = this.#insert(...wordsAndText(line))
    if (this.#lines.size >= this.#limits.maxLines) this.#lines.clear()
    this.#lines.set(line, template)
    return template
  }

  /** The template with these words, or with those of them that do not vary. */
  #find(given: readonly string[], line: string): Template | Unknown {
    let words = given
    let text = line
    for (;;) {
      const key = keyOf(words, text)
      const known = this.#templates.get(key)
      if (known !== undefined) {
        if (text !== known.text && compareBytes(text, known.text) < 0) known.text = text
        return current(known)
      }
      if (words.length < 2) return { key, words, text }
      const begun = this.exploded.size === 0 ? 0 : beginnings(words).findIndex((beginning) => this.exploded.has(beginning)) + 1
      const open = begun > 0 ? [] : this.#openPlaces(words)
      if (begun === 0 && open.length === 0) return { key, words, text }
      const next: Shortened = begun > 0 ? beginningOf(words, text, begun) : without(words, text, open)
      words = next.words
      text = next.text
    }
  }

  #insert(given: readonly string[], line: string): Template {
    const place = this.#find(given, line)
    if (isTemplate(place)) return place
    const { words } = place
    const template = this.#add(place)
    if (words.length < 2) return template
    familyKeys(words).forEach((family, at) => this.#join(family, at, template))
    if (template.next === undefined) this.#follow(words)
    return current(template)
  }

  /** Notes which word follows each beginning. If there are too many, all templates that begin so become one. */
  #follow(words: readonly string[]): void {
    for (const [at, beginning] of beginnings(words).entries()) {
      const following = this.#following.get(beginning) ?? new Set()
      this.#following.set(beginning, following.add(words[at + 1]!))
      if (this.#isLoading || following.size <= maxFollowing) continue
      this.explode(beginning)
      return
    }
  }

  /** Makes all that follows a beginning variable. */
  explode(beginning: string): void {
    if (this.exploded.has(beginning)) return
    this.#following.delete(beginning)
    this.exploded.add(beginning)
    const count = beginning.split(' ').length
    for (const template of this.#templates.values()) {
      if (template.next !== undefined || template.words.length <= count || !template.key.startsWith(`${beginning} `)) continue
      const { words, text } = beginningOf(template.words, template.text, count)
      this.#redirect(template, this.#insert(words, text))
    }
  }

  #openPlaces(words: readonly string[]): number[] {
    return familyKeys(words).flatMap((family, at) => (this.#isOpen(family) ? [at] : []))
  }

  #isOpen(family: number): boolean {
    return this.#families.get(family) === null
  }

  #add({ key, words, text }: Unknown): Template {
    if (this.#templates.size >= this.#limits.maxTemplates) this.#forget()
    const template = { key, words, text, fingerprint: fingerprintOf(key), next: undefined, seen: false, last: this.#count }
    this.#templates.set(key, template)
    return template
  }

  /** Adds a template to the family of its word at a place, which may make the word variable. */
  #join(key: number, at: number, template: Template): void {
    const family = this.#families.get(key)
    // It became variable while the template joined another family.
    if (family === null) return this.#merge(template)
    if (family === undefined) {
      this.#families.set(key, [template])
      return
    }
    family.push(template)
    const values = family.map((member) => member.words[at]!)
    if (family.length < valuesFrom(template.words, at, values, this.#thresholds)) return
    this.#families.set(key, null)
    for (const member of family) this.#merge(member)
  }

  /** Merges a template into the one without its variable words. */
  #merge(template: Template): void {
    const { words, text } = without(template.words, template.text, this.#openPlaces(template.words))
    this.#redirect(template, this.#insert(words, text))
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

type Shortened = Pick<Template, 'words' | 'text'>

/** The words of a masked line; its text ends with the last of them that counts. */
function wordsAndText(line: string): [words: string[], text: string] {
  const found = wordsIn(line)
  const last = found.at(-1)
  const end = last === undefined ? line.length : last.at + last.text.length
  return [found.map((word) => word.text), found.length < maxWords || end === line.length ? line : `${line.slice(0, end)} ${placeholder}`]
}

/** Where words are in a text. */
function placesOf(words: readonly string[], text: string): (Word | undefined)[] {
  const found = wordsIn(text)
  let next = 0
  return words.map((word) => {
    const at = found.findIndex((one, place) => place >= next && one.text === word)
    if (at !== -1) next = at + 1
    return found[at]
  })
}

/** Without the words at some places; its text has placeholders for them. */
function without(words: readonly string[], text: string, places: readonly number[]): Shortened {
  const left = words.filter((_, at) => !places.includes(at))
  const found = placesOf(words, text)
  let masked = ''
  let from = 0
  for (const at of places) {
    const word = found[at]
    if (word === undefined) continue
    masked += text.slice(from, word.at) + placeholder
    from = word.at + word.text.length
  }
  return { words: left, text: textOf(left, masked + text.slice(from)) }
}

/** The first words; its text has a placeholder for the others. */
function beginningOf(words: readonly string[], text: string, count: number): Shortened {
  const left = words.slice(0, count)
  const next = placesOf(words, text)[count]
  return { words: left, text: textOf(left, `${text.slice(0, next?.at)}${placeholder}`) }
}

/**
 * The text of a template some of whose words vary. If one word is left, or none, the text is what
 * it is known by, so it must follow from the word.
 */
const textOf = (words: readonly string[], text: string): string =>
  words.length < 2 ? [...words, placeholder].join(' ') : text.replace(runs, placeholder)

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

/** The fingerprint of a template that is known by a key. */
export const fingerprintOf = (key: string): string => createHash('md5').update(key).digest('hex')

const isTemplate = (place: Template | Unknown): place is Template => 'fingerprint' in place

/** Of a single word, the punctuation is all that tells messages from each other. */
const keyOf = (words: readonly string[], text: string): string => (words.length < 2 ? text : words.join(' '))
