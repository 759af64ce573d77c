import { scoreOf, type SeriesPoints } from './nabScore.ts'

/** What leaving out one folder gave. */
export interface LeftOutFolder {
  folder: string
  /** The candidate that was best on all other folders. */
  chosen: number
  /** What the left-out series add to the score with it, in their order. */
  points: SeriesPoints[]
}

/**
 * Leaves out one folder of series after the other: of several candidates, each an array of what
 * every series adds with it, the one is taken that is best on all other folders, and the left-out
 * series are scored with it. The first candidate wins a tie.
 *
 * A folder is not left out where the others have no labelled window: nothing could be chosen.
 */
export function leaveFoldersOut(names: readonly string[], candidates: readonly (readonly SeriesPoints[])[]): LeftOutFolder[] {
  const folders = names.map((name) => name.slice(0, Math.max(0, name.lastIndexOf('/'))))
  return [...new Set(folders)].flatMap((folder) => {
    const [others, own] = [false, true].map((inside) =>
      candidates.map((each) => each.filter((_, file) => (folders[file] === folder) === inside)),
    )
    if (!others!.some((series) => series.some(({ windows }) => windows > 0))) return []
    const scores = others!.map(scoreOf)
    const chosen = scores.indexOf(Math.max(...scores))
    return [{ folder, chosen, points: own![chosen]! }]
  })
}
