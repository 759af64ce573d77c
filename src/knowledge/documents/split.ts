import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { contextOf } from './context.ts'
import { cutProse } from './cut.ts'
import type { Piece } from './piece.ts'
import { trimmed } from './spans.ts'
import { splitMarkdown } from './splitMarkdown.ts'

/**
 * Changes when the same document would be split in other pieces. It is part of a document's
 * fingerprint, so that one split by an older version is split again.
 */
export const splitterVersion = 1

export interface SplitInput {
  title: string
  content: string
  /** Default: decided by the content, see {@link splitDocument}. */
  format?: 'markdown' | 'text'
}

export interface SplitOptions {
  /**
   * The longest piece, in characters as JavaScript counts them; 100 to 100,000. Default: 1,200:
   * some 300 tokens of English, 1,000 of Chinese. A model that reads less sees only the beginning.
   */
  maxCharacters?: number
  /**
   * How many sentences of a piece the next one begins with, where text is cut between sentences; 0
   * to 10. Default: 1.
   */
  overlap?: number
}

export const splitOptions = z.strictObject({
  maxCharacters: z.int().min(100).max(100_000).default(1200),
  overlap: z.int().min(0).max(10).default(1),
})

/**
 * A document in pieces that are long enough to tell something and short enough to embed.
 *
 * | format | cut |
 * |---|---|
 * | `markdown` | by its sections: one that fits is one piece, small ones beside each other share one. What is too long is cut between blocks, a list between items, code and tables between lines (a table's header is repeated), other text between sentences |
 * | `text` | between sentences |
 *
 * A sentence that is too long is cut between lines, else words, else characters. Where no format is
 * given, it is Markdown if a line begins with one to six `#` and a blank, or with three backticks,
 * or is the second line of a table (`|---|---|`).
 *
 * No word is lost: a heading stands in `context`, or in `content` where it has nothing below it,
 * where several sections share a piece, or where it is longer than the 200 characters that
 * `context` shows of it. Front matter is content. Line ends come out as `\n`. Takes time in
 * proportion to the document.
 *
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * splitDocument({ title: 'Payment', content: '# Slow provider\n\nSwitch to the second one.' })
 * // [{ content: 'Switch to the second one.', context: 'Payment / Slow provider' }]
 */
export function splitDocument(document: SplitInput, options: SplitOptions = {}): Piece[] {
  const { maxCharacters, overlap } = parseOptions(splitOptions, options)
  const { title, format } = document
  const text = document.content.replaceAll(/\r\n?/g, '\n')
  if ((format ?? formatOf(text)) === 'markdown') return splitMarkdown(title, text, { maxCharacters, overlap })
  const context = contextOf(title, [])
  return cutProse(text, { start: 0, end: text.length }, { maxCharacters, overlap }).map((span) => ({
    content: trimmed(text, span),
    context,
  }))
}

const formatOf = (text: string): 'markdown' | 'text' => (/^(?:#{1,6} |```|\|[ \t]*:?-{3})/m.test(text) ? 'markdown' : 'text')
