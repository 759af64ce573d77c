/** The longest term, in bytes of UTF-8. */
const longestTerm = 255
/** How many UTF-16 code units of a word are read; words that differ later are the same term. */
export const longestLook = 1024

/** A word in NFKC and lower case, letters and digits only, without a possessive ending. */
export function normalised(word: string): string {
  const head = word.length > longestLook ? word.slice(0, longestLook) : word
  const lower = /[^\0-\x7f]/.test(head)
    ? head
        .replace(/[\u2019\uff07]/g, "'")
        .normalize('NFKC')
        .toLowerCase()
        .replace(/[^\p{L}\p{M}\p{N}']|[\ufe00-\ufe0f\u{e0100}-\u{e01ef}]/gu, '')
        .normalize('NFC')
    : head.toLowerCase()
  if (!/[',]/.test(lower)) return lower
  return lower.replace(/'$/, '').replace(/'s$/, '').replace(/[',]/g, '')
}

/** A term shortened to at most 255 bytes. */
export function cut(term: string): string {
  if (term.length * 3 <= longestTerm) return term
  let bytes = 0
  let end = 0
  for (const character of term) {
    bytes += Buffer.byteLength(character)
    if (bytes > longestTerm) return term.slice(0, end)
    end += character.length
  }
  return term
}
