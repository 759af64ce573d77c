import { z } from 'zod'
import { parseOptions } from '../../schema/parse.ts'
import { contextOf } from './context.ts'
import { cutProse } from './cut.ts'
import type { Piece } from './piece.ts'
import { trimmed } from './spans.ts'
import { splitMarkdown } from './splitMarkdown.ts'

/**
 * Raise it when the same document would be split into other pieces. It is part of a document's
 * fingerprint, so a document split by an older version is split again.
 */
export const splitterVersion = 1

export interface SplitInput {
  title: string
  content: string
  /** Default: detected from the content, see {@link splitDocument}. */
  format?: 'markdown' | 'text'
}

export interface SplitOptions {
  /**
   * The longest piece, in UTF-16 code units; 100 to 100,000. Default: 1,200, about 300 tokens of
   * English or 1,000 of Chinese. A model with a smaller input sees only the beginning.
   */
  maxCharacters?: number
  /**
   * How many sentences a piece repeats from the end of the one before, where text is cut between
   * sentences; 0 to 10. Default: 1.
   */
  overlap?: number
}

export const splitOptions = z.strictObject({
  maxCharacters: z.int().min(100).max(100_000).default(1200),
  overlap: z.int().min(0).max(10).default(1),
})

/**
 * Splits a document into pieces that are long enough to be useful alone and short enough to embed.
 *
 * | format | cut |
 * |---|---|
 * | `markdown` | by its sections: one that fits is one piece, small neighbours share one. A section that is too long is cut between blocks, a list between items, code and tables between lines (a table's header is repeated), other text between sentences |
 * | `text` | between sentences |
 *
 * A sentence that is too long is cut between lines, then words, then characters. Without `format`,
 * the document is Markdown if a line begins with one to six `#` and a space, begins with three
 * backticks, or is the second line of a table (`|---|---|`).
 *
 * No word is lost. A heading is in `context`. It is in `content` if there is no text below it, if
 * several sections share a piece, or if it is longer than the 200 characters that `context` shows.
 * Front matter is content. Line ends become `\n`. The time is proportional to the document's
 * length.
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
