import { partsOf, placeholder } from '../pattern.ts'
import { wordsIn } from './words.ts'

/**
 * What varies in a message, in order: what the masks replace, and the words that its template does
 * not have.
 *
 * @param words the template's words; null if it has so few that nothing but masks made it.
 */
export function parametersOf(message: string, words: readonly string[] | null): string[] {
  const parts = partsOf(message)
  const found = parts.filter((part) => part.variable).map(({ at, text }) => ({ at, text }))
  if (words !== null) {
    // The line as masked, and where its fixed parts are in the message.
    let line = ''
    const fixed: { at: number; line: number }[] = []
    for (const part of parts) {
      if (!part.variable) fixed.push({ at: part.at, line: line.length })
      line += part.variable ? placeholder : part.text
    }
    let next = 0
    let part = 0
    for (const word of wordsIn(line)) {
      if (word.text === words[next]) {
        next += 1
        continue
      }
      while (part + 1 < fixed.length && fixed[part + 1]!.line <= word.at) part += 1
      found.push({ at: fixed[part]!.at + word.at - fixed[part]!.line, text: word.text })
    }
  }
  return found.sort((a, b) => a.at - b.at).map(({ text }) => text)
}
