import { areNames } from './words.ts'

/**
 * The rules by which a word of a template becomes variable. Templates that are equal but for one
 * word are a family; its words are values, not states, from this number on:
 *
 * | the word | words |
 * |---|---|
 * | any | 6 |
 * | begins the line: a subject, which a line rarely has as a variable | 12 |
 * | follows `user` | 3 |
 * | most of them are paths, hosts or classes, or all are one word with a number | 3 |
 *
 * A family only grows, so which words are variable does not depend on the order of lines.
 */
export interface Thresholds {
  any: number
  first: number
  named: number
}

export const defaultThresholds: Thresholds = { any: 6, first: 12, named: 3 }

/** Words after which there is a name. */
const namesFollow = /^(?:users?|username|login|account)$/i

/** How many members a family needs to be one of values. */
export function valuesFrom(words: readonly string[], at: number, values: readonly string[], of: Thresholds): number {
  if (at > 0 && namesFollow.test(words[at - 1]!)) return of.named
  if (areNames(values)) return of.named
  return at === 0 ? of.first : of.any
}

/**
 * A number for each word of a template that is the same for all templates that are equal but for
 * that word. Two families have the same number once in 2^53 pairs.
 */
export function familyKeys(words: readonly string[]): number[] {
  const hashes = words.map((word, at) => hash(word, at))
  let low = words.length
  let high = words.length
  for (const each of hashes) {
    low = (low + each.low) | 0
    high = (high + each.high) | 0
  }
  return hashes.map((own, at) => {
    const place = hash('', at)
    return (((low - own.low + place.low) | 0) >>> 0) * 2 ** 21 + ((((high - own.high + place.high) | 0) >>> 0) >>> 11)
  })
}

/** Two 32-bit hashes of a word in its place (cyrb53). */
function hash(word: string, at: number): { low: number; high: number } {
  let low = 0xdeadbeef ^ Math.imul(at + 1, 0x9e3779b1)
  let high = 0x41c6ce57 ^ Math.imul(at + 1, 0x85ebca77)
  for (let i = 0; i < word.length; i += 1) {
    const code = word.charCodeAt(i)
    low = Math.imul(low ^ code, 2654435761)
    high = Math.imul(high ^ code, 1597334677)
  }
  low = Math.imul(low ^ (low >>> 16), 2246822507) ^ Math.imul(high ^ (high >>> 13), 3266489909)
  high = Math.imul(high ^ (high >>> 16), 2246822507) ^ Math.imul(low ^ (low >>> 13), 3266489909)
  return { low, high }
}
