import { placeholder } from '../pattern.ts'

/**
 * A path, a word, and what is between. A word may have inner dots and hyphens; what follows a
 * placeholder without white space belongs to it.
 */
const token = /<\*>|(?<![\w<>])\/[^\s"',;()[\]{}<>=:]+|[\p{L}\p{N}_$]+(?:[-.][\p{L}\p{N}_$]+)*=?|\s+|./gsu

/** Units vary with their number: 512 B, 1.2 KB. */
const unit = /^(?:[KMGT]?i?B|[mun]?s|secs?|seconds?|mins?|minutes?|hours?|days?)$/

/** A word of a masked line, and where it begins there. */
export interface Word {
  text: string
  at: number
}

/** How many words of a line count: what follows says nothing new. */
export const maxWords = 64

/** The words of a masked line: neither its placeholders, nor their units, nor its punctuation. */
export function wordsIn(line: string): Word[] {
  const words: Word[] = []
  let at = 0
  let afterNumber = false
  for (const text of line.match(token) ?? []) {
    if (text === placeholder) afterNumber = true
    else if (hasLetter.test(text)) {
      if (!(afterNumber && unit.test(text)) && words.length < maxWords) words.push({ text, at })
      afterNumber = false
    }
    at += text.length
  }
  return words
}

const hasLetter = /\p{L}/u

/** Whether most of these words name something rather than say a state: paths, hosts, classes, node1 and node2. */
export function areNames(words: readonly string[]): boolean {
  const numbered = words.map((word) => /^(\p{L}+)\d$/u.exec(word)?.[1])
  if (numbered[0] !== undefined && numbered.every((stem) => stem === numbered[0])) return true
  return 2 * words.filter((word) => /[./\\@]/.test(word)).length > words.length
}
