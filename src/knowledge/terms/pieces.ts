import { after, kind, kindAt } from './characters.ts'
import { codePointsBefore } from './codePoints.ts'
import { cut, longestLook, normalised } from './normalised.ts'

/** A term and its place, both in code points, from the start of the text or the run. */
export interface Piece {
  term: string
  at: number
  width: number
}

/** A word of a run, normalised but not stemmed; its place in UTF-16 code units. */
interface Word {
  text: string
  start: number
  end: number
  /** Whether a divider stands before it. */
  divided: boolean
}

/**
 * The terms of a run of characters without a blank: a word, or an identifier such as
 * `payment-svc-7d9f` or `/var/log/app.log`.
 *
 * - The whole identifier is a term, and so is each of its words; of a path, also each part between
 *   its separators.
 * - The whole is written without the characters that join it, so that `error_code`, `error-code`,
 *   `errorCode` and `errorcode` are equal; a full stop between two digits stays.
 * - A word is a term as a whole and in parts: split at its capitals, or between letters and digits.
 *
 * A run of n words gives at most 2 n + 1 terms, plus the parts.
 */
export function piecesOf(run: string, stem: (word: string) => string): Piece[] {
  const pieces: Piece[] = []
  const before = codePointsBefore(run)
  const add = (text: string, start: number, end: number) => {
    const term = cut(/\p{Nd}/u.test(text) ? text : stem(text))
    if (term !== '') pieces.push({ term, at: before(start), width: before(end) - before(start) })
  }
  const words = wordsOf(run)
  const addWhole = (from: number, to: number) => {
    if (to - from > 1) add(joined(words, from, to), words[from]!.start, words[to - 1]!.end)
  }
  const divided = words.some((word) => word.divided)
  if (divided) addWhole(0, words.length)
  for (let from = 0, to; from < words.length; from = to) {
    for (to = from + 1; to < words.length && !words[to]!.divided;) to += 1
    addWhole(from, to)
    for (const { text, start, end } of words.slice(from, to)) {
      add(text, start, end)
      for (const part of partsOf(run.slice(start, end)))
        add(normalised(part.text), start + part.start, start + part.start + part.text.length)
    }
  }
  return pieces
}

function wordsOf(run: string): Word[] {
  const words: Word[] = []
  let divided = false
  for (let start = 0, end; start < run.length; start = end) {
    const of = kindAt(run, start)
    if (of === kind.joint || of === kind.divider) {
      divided ||= of === kind.divider
      end = start + 1
      continue
    }
    for (end = start; end < run.length && !joins(kindAt(run, end));) end = after(run, end)
    words.push({ text: normalised(run.slice(start, end)), start, end, divided: divided && words.length > 0 })
    divided = false
  }
  return words
}

const joins = (of: number) => of === kind.joint || of === kind.divider

/** Words joined into one. */
function joined(words: readonly Word[], from: number, to: number): string {
  let whole = ''
  for (let at = from; at < to && whole.length < longestLook; at += 1) {
    const { text } = words[at]!
    whole += /\p{Nd}$/u.test(whole.slice(-2)) && /^\p{Nd}/u.test(text) ? `.${text}` : text
  }
  return whole
}

/** The parts of a word; an empty array if they are short, as in `iPhone` or a random name. */
function partsOf(word: string): { text: string; start: number }[] {
  if (/^[a-z]+$/.test(word) || word.length > longestCut) return []
  const digitFirst = /^\p{Nd}/u.test(word)
  const parts = digitFirst ? [] : [...word.matchAll(inCamelCase)].map(({ 0: text, index }) => ({ text, start: index }))
  if (parts.length > 1 && word.length >= 3 * parts.length) return parts.filter(({ text }) => text.length > 1)
  if (!lettersAndDigits.test(word)) return []
  const second = word.search(digitFirst ? /\p{Lu}|\p{Ll}/u : /\p{Nd}/u)
  return [
    { text: word.slice(0, second), start: 0 },
    { text: word.slice(second), start: second },
  ]
}

/** Longer words are not split into parts. */
const longestCut = 128
/** Capitals up to the one that begins a word, with a plural `s`; a word with its digits; digits. */
const inCamelCase =
  /(?:\p{Lu}(?=s?(?!\p{Ll}))){1,128}(?:s(?!\p{Ll}))?[\p{M}\p{Nd}]*|[\p{Lu}\p{Ll}\p{Lo}][\p{Ll}\p{Lo}\p{M}\p{Cf}'\u2019]*[\p{Nd}\p{M}]*|\p{Nd}[\p{Nd}\p{M},]*/gu
const lettersAndDigits = /^(?:[\p{Lu}\p{Ll}]{2,128}\p{Nd}{1,128}|\p{Nd}{1,128}[\p{Lu}\p{Ll}]{2,128})$/u
