import type { Installation } from '../database/installation/installation.ts'
import { parse } from '../schema/parse.ts'
import { after, isUnit, isWordly, kind, kindAt } from './terms/characters.ts'
import { codePointsBefore } from './terms/codePoints.ts'
import { piecesOf, type Piece } from './terms/pieces.ts'
import { remembered } from './terms/remembered.ts'
import { stemmerOf, termLanguage, type TermLanguage } from './terms/stem.ts'
import { unitsAt } from './terms/units.ts'

export { termLanguage, type TermLanguage } from './terms/stem.ts'

/**
 * The language of an installation.
 *
 * @throws InvalidInputError if a newer library installed it with a language that this one does not
 * have.
 */
export const languageOf = ({ knowledgeLanguage }: Pick<Installation, 'knowledgeLanguage'>): TermLanguage =>
  parse(termLanguage, knowledgeLanguage, 'knowledgeLanguage')

/** Raise it when an answer of {@link terms} changes: terms of different versions do not match. */
export const termsVersion = 1

export interface Term {
  /** At most 255 bytes. */
  term: string
  /** How often it occurs in the text, at least 1. */
  frequency: number
  /** How many code points precede its first occurrence. (PostgreSQL's `substr` counts from 1.) */
  at: number
  /** How many code points it takes in the text. */
  width: number
}

export interface TermsOptions {
  /** The language whose words are stemmed. Default: `english`. */
  language?: TermLanguage
}

/**
 * The distinct terms of a text, which searches by words use, in the order in which they first
 * occur.
 *
 * | in the text | terms |
 * |---|---|
 * | `The payments FAILED` | `the payment fail`: NFKC, lower case, the stems of Snowball for Latin script |
 * | `Smith’s café, don't` | `smith cafe dont`: no accents, no possessive, no apostrophes |
 * | `http.server.duration` | `httpserverdur http server durat`: an identifier whole and in parts |
 * | `NullPointerException` | `nullpointerexcept null pointer except` |
 * | `error_code`, `error-code`, `errorCode` | `errorcod error code` |
 * | `ORA-00942` | `ora00942 ora 00942` |
 * | `shop/cart-7d9f` | `shopcart7d9f shop cart7d9f cart 7d9f`: a path, and the parts between its separators |
 * | `1.2.3`, `1,234,567` | `1.2.3 1 2 3`, `1234567` |
 * | `支付超时` | `支付 支 付超 付 超时 超 时`: single characters and pairs, for Han, Kana, Hangul, Thai, Lao, Khmer and Burmese |
 * | `привет` | `привет`: words of other scripts, stemmed if the language uses that script |
 *
 * No stop word is left out: frequent terms weigh little in a ranking. Two texts joined by a blank
 * have the terms of both. The time is proportional to the length, for any text.
 */
export function terms(text: string, { language = 'english' }: TermsOptions = {}): Term[] {
  const found = new Map<string, Term>()
  const add = ({ term, at, width }: Piece) => {
    const known = found.get(term)
    if (known === undefined) found.set(term, { term, frequency: 1, at, width })
    else known.frequency += 1
  }
  const pieces = piecesIn(language)
  const elides = eliding.has(language)
  const before = codePointsBefore(text)
  for (let at = 0; at < text.length;) {
    const of = kindAt(text, at)
    if (isUnit(of)) at = unitsAt(text, at, before, add)
    else if (isWordly(of)) {
      const end = endOfRun(text, at, elides)
      for (const { term, at: offset, width } of pieces(text.slice(at, end))) add({ term, at: before(at) + offset, width })
      at = end
    } else at = after(text, at)
  }
  return [...found.values()]
}

/**
 * Languages with an apostrophe between two words, as in `l'erreur`; in others it is inside a word.
 */
const eliding: ReadonlySet<TermLanguage> = new Set(['catalan', 'french', 'irish', 'italian', 'turkish'])

const made = new Map<TermLanguage, (run: string) => Piece[]>()

function piecesIn(language: TermLanguage): (run: string) => Piece[] {
  let pieces = made.get(language)
  if (pieces === undefined) {
    const stem = stemmerOf(language)
    pieces = remembered((run) => piecesOf(run, stem))
    made.set(language, pieces)
  }
  return pieces
}

/**
 * The end of the run that starts here: words, and the characters that join them into an identifier.
 */
function endOfRun(text: string, start: number, elides: boolean): number {
  for (let end = start, last = 0; ;) {
    for (let of = kindAt(text, end); isWordly(of) || of === kind.mark; of = kindAt(text, end)) {
      if (of !== kind.mark) last = of
      end = after(text, end)
    }
    const next = behindJoint(text, end, last, elides)
    if (next === end || !isWordly(kindAt(text, next))) return end
    end = next
  }
}

/**
 * The place after the characters that join a word ending here to another; the same place if there
 * are no such characters.
 */
function behindJoint(text: string, at: number, last: number, elides: boolean): number {
  const next = at + 1
  switch (kindAt(text, at)) {
    case kind.joint:
      return next
    case kind.divider: {
      const behind = [next, next + 1].find((place) => kindAt(text, place) !== kind.divider)
      return behind ?? next + 2
    }
    case kind.apostrophe:
      return elides || last === kind.digit || kindAt(text, next) === kind.digit ? at : next
    case kind.comma:
      return last === kind.digit && /^\d{3}(?!\d)/.test(text.slice(next, next + 4)) ? next : at
    default:
      return at
  }
}
