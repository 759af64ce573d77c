/** The role of a code point in the terms of a text. */
export const kind = {
  /** Blanks, punctuation, symbols, NUL, half of a surrogate pair. */
  separator: 1,
  letter: 2,
  digit: 3,
  /** Belongs to the character before it: accents, vowel signs, joiners, the soft hyphen. */
  mark: 4,
  /** A character of a script with few or no blanks between words: Han, Kana, Hangul, Thai, ... */
  unit: 5,
  /** A `unit` that NFKC changes. */
  oddUnit: 6,
  /** Joins the words of an identifier, one at a time: `.`, `-`, `_`. */
  joint: 7,
  /** Joins the identifiers of a path, up to three at a time: `/`, `\`, `:`, `@`, `$`. */
  divider: 8,
  apostrophe: 9,
  comma: 10,
} as const

/** The kinds of the code points below U+10000; 0 if not computed yet. */
const known = new Uint8Array(0x10000)
for (const [characters, of] of [
  ['.-_\u2010\u2011', kind.joint],
  ['/\\:@$', kind.divider],
  ["'\u2019\uff07", kind.apostrophe],
  [',', kind.comma],
  // The last two are the sound marks of half-width Kana, which Unicode calls letters.
  ['\u00ad\u200c\u200d\u2060\uff9e\uff9f', kind.mark],
] as const)
  for (const character of characters) known[character.charCodeAt(0)] = of

export function kindOf(codePoint: number): number {
  if (codePoint > 0xffff) return lookUp(codePoint)
  return known[codePoint] || (known[codePoint] = lookUp(codePoint))
}

/** The kind of the code point at a place of the text; after the end, a separator. */
export const kindAt = (text: string, at: number) => (at < text.length ? kindOf(text.codePointAt(at)!) : kind.separator)

/** The place after the code point at this one. */
export const after = (text: string, at: number) => at + (text.codePointAt(at)! > 0xffff ? 2 : 1)

export const isWordly = (of: number) => of === kind.letter || of === kind.digit
export const isUnit = (of: number) => of === kind.unit || of === kind.oddUnit

function lookUp(codePoint: number): number {
  const character = String.fromCodePoint(codePoint)
  if (/^\p{M}$/u.test(character) || insideSyllable.test(character)) return kind.mark
  if (/^\p{Nd}$/u.test(character)) return kind.digit
  if (!/^[\p{L}\p{Nl}]$/u.test(character)) return kind.separator
  if (!unspaced.test(character)) return kind.letter
  return character.normalize('NFKC') === character ? kind.unit : kind.oddUnit
}

/** The vowels and finals of Korean syllables in decomposed form. */
const insideSyllable = /^[\u1160-\u11ff\ud7b0-\ud7ff]$/
/** The last two are the long-vowel marks of Kana, which belong to no script of their own. */
const unspaced =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}\p{Script=Bopomofo}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}\u30fc\uff70]$/u
