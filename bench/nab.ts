import type { BenchmarkOptions, Figure } from './benchmark.ts'
import { constantScores, windowedGaussianScores } from './nabBaselines.ts'
import { readCorpus } from './nabCorpus.ts'
import { nabScore } from './nabScore.ts'

/**
 * The Numenta Anomaly Benchmark, standard profile, on the labelled series of the data folder: those of the published corpus that are there, so the
 * score is comparable with that of the two baselines beside it, and with published ones only where the folder holds all 58.
 */
export async function* nab({ data }: BenchmarkOptions): AsyncGenerator<Figure> {
  if (data === undefined) throw new Error('nab: --data DIR is missing: the folder with the benchmark, or with a folder nab')
  const corpus = await readCorpus(data)
  const scoreOf = (scoresOf: (values: readonly number[]) => number[]) =>
    nabScore(corpus.map(({ values, windows }) => ({ scores: scoresOf(values), windows }))).score
  yield { figure: 'nab.files', value: corpus.length, unit: 'files' }
  yield { figure: 'nab.windowed_gaussian', value: scoreOf(windowedGaussianScores), unit: 'points' }
  yield { figure: 'nab.constant', value: scoreOf(constantScores), unit: 'points' }
}
