/** A stretch of a text: from the character `start` to before `end`. */
export interface Span {
  start: number
  end: number
}

/** A span without the blanks at its end; undefined if it is all blank. */
export function withoutBlankEnd(text: string, { start, end }: Span): Span | undefined {
  const length = text.slice(start, end).trimEnd().length
  return length === 0 ? undefined : { start, end: start + length }
}

/** The text of a span, without blank lines before it and blanks after it. */
export const trimmed = (text: string, { start, end }: Span): string =>
  text
    .slice(start, end)
    .trimEnd()
    .replace(/^(?:[^\S\n]*\n)+/, '')

/**
 * Joins spans (in order, each at most `max` long) into longer ones: as few as possible, of about
 * equal length. Each begins with the last `overlap` spans of the one before, as far as they fit in
 * a quarter of `max`.
 *
 * @returns For each the first and the last of its spans.
 */
export function packed(spans: readonly Span[], max: number, overlap = 0): { first: number; last: number }[] {
  if (spans.length === 0) return []
  const total = spans.at(-1)!.end - spans[0]!.start
  const target = total / Math.ceil(total / max)
  const packs: { first: number; last: number }[] = []
  for (let next = 0; next < spans.length;) {
    const first = withOverlap(spans, next, max, overlap)
    let last = next
    while (last + 1 < spans.length && spans[last + 1]!.end - spans[first]!.start <= max && spans[last]!.end - spans[next]!.start < target)
      last += 1
    packs.push({ first, last })
    next = last + 1
  }
  return packs
}

function withOverlap(spans: readonly Span[], next: number, max: number, overlap: number): number {
  let first = next
  while (
    first > 0 &&
    next - first < overlap &&
    spans[next]!.start - spans[first - 1]!.start <= max / 4 &&
    spans[next]!.end - spans[first - 1]!.start <= max
  )
    first -= 1
  return first
}
