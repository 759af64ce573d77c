import { contextOf, maxHeading } from './context.ts'
import { cutLines, cutProse, type Bounds } from './cut.ts'
import { markdownBlocks, type Block } from './markdownBlocks.ts'
import type { Piece } from './piece.ts'
import { packed, trimmed, withoutBlankEnd, type Span } from './spans.ts'

/** A block with the lines that belong to it. */
interface Leaf {
  from: number
  to: number
  block: Block
}

/** A heading with all that is below it, up to the next heading of its level or above. */
interface Section {
  from: number
  to: number
  level: number
  heading: string
  parts: (Leaf | Section)[]
}

const isSection = (part: Leaf | Section): part is Section => 'parts' in part

export function splitMarkdown(title: string, text: string, bounds: Bounds): Piece[] {
  const max = bounds.maxCharacters
  const lines = text.split('\n')
  const offsets = offsetsOf(lines)
  const spanOf = ({ from, to }: { from: number; to: number }): Span => ({ start: offsets[from]!, end: Math.min(offsets[to]!, text.length) })

  const piecesOf = (section: Section, above: readonly string[]): Piece[] => {
    const { parts, heading } = section
    const headings = heading === '' ? above : [...above, heading]
    const [first] = parts
    if (first === undefined) return []
    if (parts.length === 1 && isSection(first)) return piecesOf(first, headings)
    const context = contextOf(title, headings)
    const pieceOf = (span: Span): Piece => ({ content: trimmed(text, span), context })

    /** One part, or several that fit in one piece. */
    const together = (run: readonly (Leaf | Section)[], spans: readonly Span[]): Piece[] =>
      packed(spans, max).flatMap(({ first, last }) => {
        const only = run[first]!
        return first === last && isSection(only)
          ? piecesOf(only, headings)
          : [pieceOf({ start: spans[first]!.start, end: spans[last]!.end })]
      })

    const pieces: Piece[][] = []
    let run: (Leaf | Section)[] = []
    let spans: Span[] = []
    const endRun = () => {
      pieces.push(together(run, spans))
      run = []
      spans = []
    }
    for (const part of parts) {
      const span = withoutBlankEnd(text, spanOf(part))
      if (span === undefined) continue
      if (span.end - span.start <= max) {
        run.push(part)
        spans.push(span)
        continue
      }
      endRun()
      pieces.push(isSection(part) ? piecesOf(part, headings) : cutBlock(part, span).map((content) => ({ content, context })))
    }
    endRun()
    return pieces.flat()
  }

  const cutBlock = ({ block, from }: Leaf, span: Span): string[] => {
    if (block.kind === 'prose' || block.kind === 'heading') return cutProse(text, span, bounds).map((part) => trimmed(text, part))
    const header = block.kind === 'table' && from === block.from ? `${lines[from]}\n${lines[from + 1]}\n` : ''
    if (header === '' || header.length > max / 4) {
      const starts = block.kind === 'list' ? block.items.map((line) => offsets[line]!) : []
      return cutLines(text, span, starts, max).map((part) => trimmed(text, part))
    }
    const rows = { start: span.start + header.length, end: span.end }
    return cutLines(text, rows, [], max - header.length).map((part) => header + trimmed(text, part))
  }

  return piecesOf(sectionsOf(lines, markdownBlocks(lines)), [])
}

function offsetsOf(lines: readonly string[]): number[] {
  const offsets = [0]
  for (const line of lines) offsets.push(offsets.at(-1)! + line.length + 1)
  return offsets
}

/** The headings that have something other than headings below them. */
function headingsWithContent(blocks: readonly Block[]): Set<Block> {
  const found = new Set<Block>()
  let open: Block[] = []
  for (const block of blocks) {
    if (block.kind === 'rule') continue
    if (block.kind === 'heading') open = [...open.filter(({ level }) => level < block.level), block]
    if (block.kind !== 'heading' || isLong(block)) for (const heading of open.splice(0)) found.add(heading)
  }
  return found
}

const isLong = ({ text }: Block) => text.length > maxHeading

/**
 * The document as a tree of sections. Lines in no block (link definitions), rules, and headings
 * with nothing below them belong to the block before them, or to the next if there is none before.
 */
function sectionsOf(lines: readonly string[], blocks: readonly Block[]): Section {
  const withContent = headingsWithContent(blocks)
  const root: Section = { from: 0, to: lines.length, level: 0, heading: '', parts: [] }
  const open = [root]
  let last: Leaf | undefined
  /** Where lines begin that belong to the next block. */
  let waiting: number | undefined
  /** The end of the lines that are assigned to a block. */
  let done = 0

  const addLines = (to: number) => {
    if (lines.slice(done, to).every((line) => line.trim() === '')) return
    if (last?.to === done) last.to = to
    else waiting ??= done
  }
  const addLeaf = (block: Block) => {
    last = { from: waiting ?? block.from, to: block.to, block }
    waiting = undefined
    for (const section of open) section.from = Math.min(section.from, last.from)
    open.at(-1)!.parts.push(last)
  }

  for (const block of blocks) {
    if (last !== undefined && last.to === done && block.from > done) last.to = block.from
    else addLines(block.from)
    done = Math.max(done, block.from)
    if (block.kind === 'heading' && withContent.has(block)) {
      while (open.at(-1)!.level >= block.level) open.pop()!.to = block.from
      const section: Section = { from: block.from, to: lines.length, level: block.level, heading: block.text, parts: [] }
      open.at(-1)!.parts.push(section)
      open.push(section)
      if (isLong(block)) addLeaf(block)
    } else if (block.kind === 'heading' || block.kind === 'rule') addLines(block.to)
    else addLeaf(block)
    done = block.to
  }
  addLines(lines.length)
  if (waiting !== undefined) addLeaf({ from: waiting, to: lines.length, kind: 'prose', level: 0, text: '', items: [] })
  return root
}
