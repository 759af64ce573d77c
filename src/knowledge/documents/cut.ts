import { packed, withoutBlankEnd, type Span } from './spans.ts'

export interface Bounds {
  maxCharacters: number
  overlap: number
}

/**
 * A fixed locale, so that sentences end at the same places on every machine. English rules also end
 * sentences of Chinese and Japanese.
 */
const segmenter = new Intl.Segmenter('en', { granularity: 'sentence' })

/** Cuts a stretch of prose between sentences, into spans within the bound. */
export function cutProse(text: string, span: Span, bounds: Bounds): Span[] {
  const whole = withoutBlankEnd(text, span)
  if (whole === undefined) return []
  if (whole.end - whole.start <= bounds.maxCharacters) return [whole]
  const sentences = sentencesOf(text, whole).flatMap((sentence) => cutLong(text, sentence, bounds.maxCharacters))
  return joined(sentences, bounds.maxCharacters, bounds.overlap)
}

/**
 * Cuts a stretch of text into spans within the bound: at `starts` if possible, otherwise between
 * lines.
 */
export function cutLines(text: string, { start, end }: Span, starts: readonly number[], max: number): Span[] {
  const edges = [start, ...starts.filter((at) => at > start && at < end), end]
  const parts = edges.slice(1).flatMap((edge, at) => withoutBlankEnd(text, { start: edges[at]!, end: edge }) ?? [])
  const fitting = parts.flatMap((part) =>
    part.end - part.start <= max ? [part] : linesOf(text, part).flatMap((line) => cutLong(text, line, max)),
  )
  return joined(fitting, max)
}

const joined = (spans: readonly Span[], max: number, overlap = 0): Span[] =>
  packed(spans, max, overlap).map(({ first, last }) => ({ start: spans[first]!.start, end: spans[last]!.end }))

function linesOf(text: string, { start, end }: Span): Span[] {
  const lines: Span[] = []
  for (let at = start; at < end;) {
    const feed = text.indexOf('\n', at)
    const next = feed === -1 || feed >= end ? end : feed + 1
    const line = withoutBlankEnd(text, { start: at, end: next })
    if (line !== undefined) lines.push(line)
    at = next
  }
  return lines
}

function sentencesOf(text: string, { start, end }: Span): Span[] {
  // A line end inside a paragraph is a space; only an empty line ends a sentence.
  const unwrapped = text
    .slice(start, end)
    .split('\n')
    .map((line, at) => (at === 0 ? line : `${line.trim() === '' ? '\n' : ' '}${line}`))
    .join('')
  return [...segmenter.segment(unwrapped)].flatMap(
    ({ index, segment }) => withoutBlankEnd(text, { start: start + index, end: start + index + segment.length }) ?? [],
  )
}

/**
 * Cuts a span that has no better place: preferably after a line, then after a space, then after a
 * punctuation mark or a Chinese character.
 */
function cutLong(text: string, { start, end }: Span, max: number): Span[] {
  const spans: Span[] = []
  for (let at = start; at < end;) {
    const next = end - at <= max ? end : placeToCut(text, at, max)
    const span = withoutBlankEnd(text, { start: at, end: next })
    if (span !== undefined) spans.push(span)
    at = next
  }
  return spans
}

const wide = /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Hangul}]/u
const wideMark = /[，、；：。！？…）」』】》]/

/** In the second half of what fits, the last place of the best kind; otherwise the last space. */
function placeToCut(text: string, start: number, max: number): number {
  const half = start + Math.ceil(max / 2)
  let [blank, mark, character] = [0, 0, 0]
  for (let at = start + max; at > start; at -= 1) {
    const before = text[at - 1]!
    if (before === '\n' && at >= half) return at
    if (blank === 0 && /\s/.test(before)) blank = at
    if (at < half) {
      if (blank !== 0 || mark !== 0 || character !== 0) break
      continue
    }
    if (mark === 0 && wideMark.test(before)) mark = at
    if (character === 0 && wide.test(before)) character = at
  }
  const inHalf = blank >= half ? blank : mark || character
  return inHalf || blank || start + max - (isInsidePair(text, start + max) ? 1 : 0)
}

const isInsidePair = (text: string, at: number) => /[\uD800-\uDBFF]/.test(text[at - 1]!) && /[\uDC00-\uDFFF]/.test(text[at] ?? '')
