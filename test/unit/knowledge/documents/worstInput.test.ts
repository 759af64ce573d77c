import { describe, expect, it } from 'vitest'
import { splitDocument, type SplitInput } from '../../../../src/knowledge/documents/split.ts'

const split = (content: string, format?: SplitInput['format']) => splitDocument({ title: 'Payment', content, format })
const longest = (pieces: readonly { content: string }[]) => pieces.reduce((most, { content }) => Math.max(most, content.length), 0)
const dense = (text: string) => text.replaceAll(/\s/g, '')

describe('a hostile document', () => {
  const million = (text: string) => text.repeat(Math.ceil(1_000_000 / text.length))

  // What takes the square of the length would take minutes or hours.
  it.each<[string, string]>([
    ['no blank', million('x')],
    ['no sentence', million('word ')],
    ['Chinese without an end', million('数据库连接池')],
    ['sentences', million('Short one. ')],
    ['empty lines', million('\n')],
    ['blanks', `${million(' ')}x`],
    ['lines of blanks', million('      \n')],
    ['surrogate pairs', million('😀')],
    ['open brackets', million('[')],
    ['backticks', million('` ')],
    ['quotes in quotes', million('>')],
    ['lists in lists, in one line', million('- ')],
    ['lists in lists', Array.from({ length: 1400 }, (_, at) => `${' '.repeat(at)}- x`).join('\n')],
    ['definitions of links', million('[a]: b\n')],
    ['a table', `|a|b|\n|-|-|\n${million('|1|2|\n')}`],
    ['a heading', `# ${million('word ')}\n\ntext`],
    ['code that does not end', `\`\`\`\n${million('x\n')}`],
    ['front matter that does not end', `---\n${million('a: b\n')}`],
    ['comments that do not end', million('<!--\n')],
  ])('of %s takes no longer than in proportion', (_, content) => {
    for (const format of ['markdown', 'text'] as const) {
      const pieces = split(content, format)
      expect(longest(pieces)).toBeLessThanOrEqual(1200)
      // Overlaps and the repeated header of the table are more, never less.
      const found = pieces.reduce((sum, piece) => sum + dense(piece.content).length, 0)
      if (!content.startsWith('# ')) expect(found).toBeGreaterThanOrEqual(dense(content).length)
    }
  })

  it.each([
    ['and nothing else', (at: number) => `# h${at}\n`],
    ['and a word below each', (at: number) => `${'#'.repeat(1 + (at % 6))} h${at}\nw${at}\n`],
  ])('of 100,000 headings %s takes no longer than in proportion', (_, part) => {
    const pieces = split(Array.from({ length: 100_000 }, (_, at) => part(at)).join('\n'))
    expect(longest(pieces)).toBeLessThanOrEqual(1200)
    const found = new Set(pieces.flatMap(({ content, context }) => `${content} ${context}`.split(/[\s#/]+/)))
    expect(Array.from({ length: 100_000 }, (_, at) => `h${at}`).filter((heading) => !found.has(heading))).toEqual([])
  })
})
