import MarkdownIt from 'markdown-it'

/** A block of a Markdown document: its lines, from `from` to before `to`. */
export interface Block {
  from: number
  to: number
  /** `lines`: cut between lines, such as code. `rule`: a line without text. */
  kind: 'heading' | 'list' | 'table' | 'lines' | 'prose' | 'rule'
  /** For a heading: its level, 1 to 6, and its text. */
  level: number
  text: string
  /** For a list: the lines at which its items begin. */
  items: number[]
}

// Only blocks are parsed, not inline markup: that suffices, and keeps the time linear.
const parser = new MarkdownIt('commonmark').enable('table')
parser.core.ruler.enableOnly(['normalize', 'block'])

const kinds = new Map<string, Block['kind']>([
  ['heading_open', 'heading'],
  ['bullet_list_open', 'list'],
  ['ordered_list_open', 'list'],
  ['table_open', 'table'],
  ['fence', 'lines'],
  ['code_block', 'lines'],
  ['html_block', 'lines'],
  ['hr', 'rule'],
])

/** The blocks at the top level of a document, in order. Lines in no block are left out. */
export function markdownBlocks(lines: readonly string[]): Block[] {
  const front = linesOfFrontMatter(lines)
  const blocks: Block[] = []
  if (front > 0) blocks.push({ from: 0, to: front, kind: 'lines', level: 0, text: '', items: [] })
  const tokens = parser.parse(lines.slice(front).join('\n'), {})
  for (const [at, { type, tag, level, map }] of tokens.entries()) {
    if (map == null) continue
    if (level === 0) {
      const kind = kinds.get(type) ?? 'prose'
      const heading = kind === 'heading'
      blocks.push({
        from: front + map[0],
        to: front + map[1],
        kind,
        level: heading ? Number(tag.slice(1)) : 0,
        text: heading ? tokens[at + 1]!.content : '',
        items: [],
      })
    } else if (level === 1 && type === 'list_item_open') blocks.at(-1)!.items.push(front + map[0])
  }
  return blocks
}

/** YAML between two lines of `---` at the beginning, which Markdown would read as a heading. */
function linesOfFrontMatter(lines: readonly string[]): number {
  if (lines[0]?.trimEnd() !== '---' || !/^[\w-]+[ \t]*:/.test(lines[1] ?? '')) return 0
  const end = lines.findIndex((line, at) => at > 0 && /^(?:---|\.\.\.)\s*$/.test(line))
  return end + 1
}
