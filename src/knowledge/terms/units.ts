import { after, isUnit, kind, kindAt } from './characters.ts'
import { cut, normalised } from './normalised.ts'
import type { Piece } from './pieces.ts'

/**
 * The terms of the stretch of unspaced script that starts here, and its end: each character, and
 * each pair of neighbours. No dictionary is needed to find where words begin: the same words in
 * question and text have the same pairs.
 */
export function unitsAt(text: string, start: number, before: (at: number) => number, add: (piece: Piece) => void): number {
  let end = start
  let last: Piece | undefined
  for (let of = kindAt(text, end); isUnit(of); of = kindAt(text, end)) {
    const begin = end
    end = after(text, end)
    const bare = end
    while (kindAt(text, end) === kind.mark) end = after(text, end)
    const term = of === kind.unit && end === bare ? text.slice(begin, end) : cut(firstOf(normalised(text.slice(begin, end))))
    const unit = { term, at: before(begin), width: before(end) - before(begin) }
    if (last !== undefined) {
      add({ term: last.term + unit.term, at: last.at, width: last.width + unit.width })
      add(last)
    }
    last = unit
  }
  if (last !== undefined) add(last)
  return end
}

/** A character with its marks, cut to 32 code units without splitting a surrogate pair. */
const firstOf = (unit: string): string => unit.slice(0, 32).replace(/[\uD800-\uDBFF]$/, '')
