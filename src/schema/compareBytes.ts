/**
 * Compares two texts as PostgreSQL's `collate "C"` does, by their bytes in UTF-8. Use it for sorts
 * in TypeScript that must match sorts in the database. (`<` compares UTF-16, where an emoji comes
 * before `ﬀ`.)
 *
 * @example
 * ['b', 'ä', 'a'].toSorted(compareBytes) // ['a', 'b', 'ä']
 */
export function compareBytes(a: string, b: string): number {
  const length = Math.min(a.length, b.length)
  for (let at = 0; at < length; at += 1) {
    const difference = rank(a.charCodeAt(at)) - rank(b.charCodeAt(at))
    if (difference !== 0) return difference
  }
  return a.length - b.length
}

/** Surrogates come last: the characters that they form are the longest in UTF-8. */
const rank = (unit: number): number => (unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit)
