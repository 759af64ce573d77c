/** One series of the benchmark, as a detector has judged it. */
export interface JudgedSeries {
  /** How anomalous each row is; any scale, the same for all series. */
  readonly scores: ArrayLike<number>
  /** The labelled windows, in their order. */
  readonly windows: readonly RowWindow[]
}

/** A labelled stretch of rows: the indexes of its first and its last row, both within it. */
export interface RowWindow {
  readonly first: number
  readonly last: number
}

/**
 * The score of the Numenta Anomaly Benchmark, standard profile, at the threshold that is best for all series together: 100 when every window is
 * detected at its first row and nothing else is, 0 when nothing is detected at all. A row is a detection when its score is at least the threshold.
 *
 * `threshold` is `Infinity` where no detection at all scores best.
 *
 * Literature: Lavin and Ahmad, "Evaluating Real-time Anomaly Detection Algorithms: the Numenta Anomaly Benchmark" (ICMLA 2015).
 *
 * @throws RangeError when the series have no labelled window: there is nothing to score against.
 */
export function nabScore(corpus: readonly JudgedSeries[]): { score: number; threshold: number } {
  let best = { score: 0, threshold: Infinity }
  for (const at of everyThreshold(corpus)) if (at.score > best.score) best = at
  return best
}

/**
 * The same score at a threshold that was chosen elsewhere.
 *
 * @throws RangeError when the series have no labelled window.
 */
export const nabScoreAt = (corpus: readonly JudgedSeries[], threshold: number): number =>
  scoreOf(corpus.map((series) => pointsAt(series, threshold)))

/** What one series adds to a score: raw points, from 0 for no detection at all, and the windows there are to find. */
export interface SeriesPoints {
  points: number
  windows: number
}

/** What a series adds to the score at this threshold. */
export function pointsAt(series: JudgedSeries, threshold: number): SeriesPoints {
  let points = 0
  for (const { score, weight, window } of weighedRows(series)) {
    if (score >= threshold) points += gain(weight, window)
  }
  return { points, windows: series.windows.length }
}

/**
 * The score of what several series added.
 *
 * @throws RangeError when they have no labelled window.
 */
export function scoreOf(series: readonly SeriesPoints[]): number {
  const windows = series.reduce((count, each) => count + each.windows, 0)
  if (windows === 0) throw new RangeError('no labelled window to score against')
  return (100 * series.reduce((sum, { points }) => sum + points, 0)) / (2 * windows)
}

/** How many of a series' first rows are for learning, and not scored: 15 % of them, at most 750. */
export const probation = (rows: number): number => Math.min(Math.floor(rows * 0.15), 750)

/** The score at each threshold that makes a difference, from the highest on. */
function* everyThreshold(corpus: readonly JudgedSeries[]): Generator<{ score: number; threshold: number }> {
  const rows = corpus.flatMap(weighedRows).toSorted((a, b) => b.score - a.score)
  const windows = corpus.reduce((count, series) => count + series.windows.length, 0)
  let points = 0
  for (const [index, { score, weight, window }] of rows.entries()) {
    points += gain(weight, window)
    if (rows[index + 1]?.score !== score) yield { threshold: score, score: scoreOf([{ points, windows }]) }
  }
}

/** What a detection adds. In a window the earliest weighs most, and alone counts; the first one found also takes back the -1 of a miss. */
function gain(weight: number, window: WeighedRow['window']): number {
  if (window === undefined) return weight
  const more = Math.max(weight - window.gained, 0)
  window.gained += more
  return more
}

interface WeighedRow {
  score: number
  /** What it adds when it is a detection. */
  weight: number
  /** The window it is in, and what that has gained so far. */
  window: (RowWindow & { gained: number }) | undefined
}

function weighedRows({ scores, ...series }: JudgedSeries): WeighedRow[] {
  const windows = series.windows.map(({ first, last }) => ({ first, last, gained: -1 }))
  const rows: WeighedRow[] = []
  for (let row = probation(scores.length); row < scores.length; row++) {
    const window = windows.find(({ first, last }) => first <= row && row <= last)
    const past = windows.findLast(({ last }) => last < row)
    const weight = window === undefined ? falsePositiveCost * outside(row, past) : inside(row, window)
    rows.push({ score: scores[row]!, weight, window })
  }
  return rows
}

const falsePositiveCost = 0.11

const sigmoid = (y: number) => 2 / (1 + Math.exp(5 * y)) - 1

/** From 1 on the window's first row to nearly 0 on its last. The divisor makes the first row exactly 1. */
const inside = (row: number, { first, last }: RowWindow) => sigmoid(-(last - row + 1) / (last - first + 1)) / 0.98661

/** From 0 right behind a window to -1 where the last one is far, or none came. */
function outside(row: number, past: RowWindow | undefined): number {
  if (past === undefined) return -1
  const distance = (row - past.last) / (past.last - past.first)
  return distance > 3 ? -1 : sigmoid(distance)
}
