import { newStemmer } from 'snowball-stemmers'
import { z } from 'zod'
import { remembered } from './remembered.ts'

/** The languages of the stemmers; `none` leaves words as they are. */
export const termLanguage = z.enum([
  'none',
  'arabic',
  'armenian',
  'basque',
  'catalan',
  'czech',
  'danish',
  'dutch',
  'english',
  'finnish',
  'french',
  'german',
  'hungarian',
  'irish',
  'italian',
  'norwegian',
  'porter',
  'portuguese',
  'romanian',
  'russian',
  'slovene',
  'spanish',
  'swedish',
  'tamil',
  'turkish',
])

export type TermLanguage = z.infer<typeof termLanguage>

/**
 * The stemmer for words in lower case: Snowball's algorithm for the language, as in PostgreSQL.
 * Accents of Latin and Greek letters are ignored, except by the stemmer of a language that uses
 * them. If the language has another script, Latin words are stemmed as English, the language of
 * identifiers and logs.
 */
export function stemmerOf(language: TermLanguage): (word: string) => string {
  const script = otherScripts[language]
  const latin = language === 'none' ? undefined : newStemmer(script === undefined ? language : 'english')
  const other = script === undefined ? undefined : { script, stemmer: newStemmer(language) }
  const unaccented = script !== undefined || language === 'english' || language === 'porter'
  return remembered((word) => {
    if (word.length > longestWord) return withoutAccents(word)
    if (latin !== undefined && latinWord.test(word)) return unaccented ? latin.stem(withoutAccents(word)) : withoutAccents(latin.stem(word))
    return withoutAccents(other?.script.test(word) ? other.stemmer.stem(word) : word)
  })
}

const latinWord = /^[\p{Script=Latin}\p{M}]+$/u
const otherScripts: Partial<Record<TermLanguage, RegExp>> = {
  arabic: /^[\p{Script=Arabic}\p{M}]+$/u,
  armenian: /^[\p{Script=Armenian}\p{M}]+$/u,
  russian: /^[\p{Script=Cyrillic}\p{M}]+$/u,
  tamil: /^[\p{Script=Tamil}\p{M}]+$/u,
}

/** Longer words, in UTF-16 code units, are left as they are: no language has them. */
const longestWord = 64

/** In other scripts a letter with a mark is a different letter. */
function withoutAccents(word: string): string {
  if (!/[^\0-\x7f]/.test(word)) return word
  return word
    .normalize('NFD')
    .replace(/([\p{Script=Latin}\p{Script=Greek}])\p{M}+/gu, '$1')
    .normalize('NFC')
    .replaceAll('ς', 'σ')
}
