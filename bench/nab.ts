import { uniformFloat64 } from 'pure-rand/distribution/uniformFloat64'
import { xoroshiro128plus } from 'pure-rand/generator/xoroshiro128plus'
import { detectionOptions, type SurpriseSettings } from '../src/series/anomalies/detection.ts'
import { streamingDetector } from '../src/series/streaming/streamingDetector.ts'
import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { constantScores, windowedGaussianScores } from './nabBaselines.ts'
import { readCorpus, type LabelledSeries } from './nabCorpus.ts'
import { leaveFoldersOut } from './nabLeftOut.ts'
import { nabScore, pointsAt, scoreOf, type JudgedSeries, type SeriesPoints } from './nabScore.ts'

/**
 * The Numenta Anomaly Benchmark, standard profile, on the labelled series of the data folder: those of the published corpus that are there, so the
 * scores are to be compared with those of the two baselines beside them, and with published ones only where the folder holds all 58.
 *
 * `nab.standard` is the streaming detector's `'surprise'` with one threshold for all series, the best, as the benchmark's rules have it;
 * `nab.default_threshold` is the same with the threshold that users get. `nab.held_out` chooses the threshold on one half of the files and scores the
 * other half, many times: its mean, and the tenth and the ninetieth of a hundred.
 *
 * `nab.left_out` leaves out one folder of series after the other: threshold and quiet points are
 * those that are best on all other folders, and what the left-out series add with them is put
 * together. Beside it the same for each folder alone, where it has a labelled window.
 */
export async function* nab({ data }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined)
    throw new Error('nab: --data DIR is missing: the folder of the benchmark, or the one that has it in its folder nab')
  const corpus = await readCorpus(data)
  yield { figure: 'nab.files', value: corpus.length, unit: 'files' }
  yield { figure: 'nab.windows', value: corpus.reduce((count, { windows }) => count + windows.length, 0), unit: 'windows' }

  const start = performance.now()
  const scored = corpus.map((series, index) => {
    console.error(`${index + 1} of ${corpus.length}: ${series.name}`)
    return { scores: surpriseScores(series), windows: series.windows }
  })
  const elapsed = (performance.now() - start) / 1_000

  const candidates = thresholds.map((each) => scored.map((series) => points(series, each, quietPoints)))
  const best = bestOf(candidates)
  yield { figure: 'nab.standard', value: Math.max(0, scoreOf(best)), unit: 'points' }
  yield { figure: 'nab.threshold', value: thresholds[candidates.indexOf(best)]!, unit: 'digits' }
  yield {
    figure: 'nab.default_threshold',
    value: scoreOf(scored.map((series) => points(series, threshold, quietPoints))),
    unit: 'points',
  }
  const heldOut = heldOutScores(candidates)
  if (heldOut.length > 0) {
    yield { figure: 'nab.held_out', value: heldOut.reduce((sum, score) => sum + score, 0) / heldOut.length, unit: 'points' }
    yield { figure: 'nab.held_out_p10', value: heldOut[Math.floor(heldOut.length * 0.1)]!, unit: 'points' }
    yield { figure: 'nab.held_out_p90', value: heldOut[Math.floor(heldOut.length * 0.9)]!, unit: 'points' }
  }

  yield* leftOutScores(corpus, scored)

  const baseline = (scoresOf: (values: readonly number[]) => number[]) =>
    nabScore(corpus.map(({ values, windows }) => ({ scores: scoresOf(values), windows }))).score
  yield { figure: 'nab.windowed_gaussian', value: baseline(windowedGaussianScores), unit: 'points' }
  yield { figure: 'nab.constant', value: baseline(constantScores), unit: 'points' }
  yield { figure: 'nab.rows_per_second', value: scored.reduce((rows, { scores }) => rows + scores.length, 0) / elapsed, unit: 'rows/s' }
}

const { threshold, quietPoints } = detectionOptions.parse({ method: 'surprise' }) as SurpriseSettings

/** From one at which every series rings all day to one that hardly any reaches. */
const thresholds: readonly number[] = Array.from({ length: 41 }, (_, step) => 0.5 + step * 0.05)

/**
 * From one after which an incident of ten points is over to one that waits for most of a day of
 * five minutes.
 */
const quietTimes: readonly number[] = [25, 50, 100, 200]

/** Each row judged by the rows before it; null where it was not. */
function surpriseScores({ times, values }: LabelledSeries): (number | null)[] {
  const detector = streamingDetector({ method: 'surprise' })
  let last = -Infinity
  return values.map((value, row) => {
    // Some files repeat an hour, where a clock was put back: their order is that of the rows.
    last = Math.max(times[row]!.getTime(), last + 1)
    return detector.observe({ bucket: new Date(last), value })?.score ?? null
  })
}

interface Scored {
  scores: readonly (number | null)[]
  windows: JudgedSeries['windows']
}

/**
 * What the detector adds to the score with this threshold and so many quiet points, on which its
 * scores do not depend.
 */
function points({ scores, windows }: Scored, at: number, quiet: number): SeriesPoints {
  let last = -Infinity
  const begins = scores.map((score, row) => {
    if (score === null || score <= at) return 0
    const silence = row - last
    last = row
    return silence > quiet ? 1 : 0
  })
  return pointsAt({ scores: begins, windows }, 1)
}

function* leftOutScores(corpus: readonly LabelledSeries[], scored: readonly Scored[]): Generator<Figure> {
  const choices = thresholds.flatMap((at) => quietTimes.map((quiet) => ({ at, quiet })))
  const leftOut = leaveFoldersOut(
    corpus.map(({ name }) => name),
    choices.map(({ at, quiet }) => scored.map((series) => points(series, at, quiet))),
  )
  const together = leftOut.flatMap((each) => each.points)
  if (!together.some(({ windows }) => windows > 0)) return
  yield { figure: 'nab.left_out', value: scoreOf(together), unit: 'points' }
  for (const each of leftOut) {
    const { at, quiet } = choices[each.chosen]!
    console.error(`left out: ${each.folder}; threshold ${at}, quiet points ${quiet}`)
    if (each.points.some(({ windows }) => windows > 0)) {
      yield { figure: `nab.left_out.${each.folder}`, value: scoreOf(each.points), unit: 'points' }
    }
  }
}

/** Of what different thresholds add to the score of the same series, the best. */
const bestOf = <S extends readonly SeriesPoints[]>(candidates: readonly S[]): S =>
  candidates.reduce((best, each) => (scoreOf(each) > scoreOf(best) ? each : best))

/** The scores of a hundred random halves of the series, in their order, each at the threshold that is best for the other half. */
function heldOutScores(candidates: readonly (readonly SeriesPoints[])[]): number[] {
  const generator = xoroshiro128plus(1)
  const files = candidates[0]!.map((_, file) => file)
  const scores: number[] = []
  for (let draw = 0; draw < 100; draw++) {
    const drawn = files.map((file) => ({ file, at: uniformFloat64(generator) })).toSorted((a, b) => a.at - b.at)
    const half = (from: number, to: number) => candidates.map((each) => drawn.slice(from, to).map(({ file }) => each[file]!))
    const [known, held] = [half(0, files.length >> 1), half(files.length >> 1, files.length)]
    if (![known, held].every(([first]) => first!.some(({ windows }) => windows > 0))) continue
    scores.push(scoreOf(held[known.indexOf(bestOf(known))]!))
  }
  return scores.toSorted((a, b) => a - b)
}
