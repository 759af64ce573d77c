import type { DetectionOptions } from '../../../src/series/anomalies/detection.ts'
import type { SeriesRow } from '../../../src/series/seriesFrame.ts'
import { bucketAt, points } from '../points.ts'

/** Points, and what every implementation of a method has to say of them. */
export interface DetectionVector {
  name: string
  options: DetectionOptions
  points: SeriesRow[]
  /** The points with a score above the threshold. Expected, spread and score are within 1e-9. */
  anomalies: { bucket: Date; value: number; expected: number; spread: number; score: number; direction: 'up' | 'down' }[]
}

/** A median absolute deviation of 1, as a spread. */
const sigma = 1.4826

type Anomaly = [index: number, value: number, expected: number, spread: number, score: number]

const vector = (name: string, options: DetectionOptions, values: (number | null | undefined)[], anomalies: Anomaly[]): DetectionVector => ({
  name,
  options,
  points: points('a', values),
  anomalies: anomalies.map(([index, value, expected, spread, score]) => ({
    bucket: bucketAt(index),
    value,
    expected,
    spread,
    score: Math.abs(score),
    direction: score < 0 ? 'down' : 'up',
  })),
})

const calm = [10, 12, 11, 9, 10, 11, 10, 12, 9, 10, 11, 10]

/** Two values in the first half of an hour and two in the second; hours apart from each other. */
const hours = (...values: [number, number, number, number][]) =>
  values.flatMap(([a, b, c, d]) => [a, undefined, undefined, b, undefined, undefined, c, undefined, undefined, d, undefined, undefined])

const halves = { method: 'seasonal', season: '1 hour', slot: '30 minutes', history: '2 hours', minPoints: 2 } as const

/** Worked out by hand, a row of reasoning beside each. */
export const detectionVectors: DetectionVector[] = [
  // Sorted, the hour before the 30 is 9 9 10 10 10 10 10 11 11 11 12 12: median 10, deviations 0 0 0 0 0 1 1 1 1 1 2 2 with median 1. Before the 2 it
  // lost its first values, 10 and 12, and gained 30 and 10: 9 9 10 10 10 10 10 11 11 11 12 30, deviations 0 0 0 0 0 1 1 1 1 1 2 20.
  vector(
    'robust-z: by median and median deviation',
    {},
    [...calm, 30, 10, 2],
    [
      [12, 30, 10, sigma, 20 / sigma],
      [14, 2, 10, sigma, -8 / sigma],
    ],
  ),
  vector('robust-z: halfway between two middle values', { minPoints: 4 }, [1, 2, 3, 4, 10], [[4, 10, 2.5, sigma, 7.5 / sigma]]),
  vector('robust-z: a share of the expected value at least', {}, [...Array<number>(12).fill(100), 104, 121], [[13, 121, 100, 5, 4.2]]),
  vector('robust-z: a spread of the series own', { minSpread: 0.5 }, [0, 0, 0, 0, 0, 1, -3], [[6, -3, 0, 0.5, -6]]),
  vector('robust-z: no spread at all', {}, [0, 0, 0, 0, 0, 1e-9], [[5, 1e-9, 0, 0, Infinity]]),
  // The window is closed at its beginning: at 11, the five 50s and not the 1 before them.
  vector(
    'robust-z: no further back than the window',
    { window: '25 minutes' },
    [1, 1, 1, 1, 1, 1, 50, 50, 50, 50, 50, 1],
    [
      [6, 50, 1, 0.05, 980],
      [7, 50, 1, 0.05, 980],
      [8, 50, 1, 0.05, 980],
      [11, 1, 50, 2.5, -19.6],
    ],
  ),
  vector(
    'robust-z: what is no measurement is absent, what is nearly nothing is 0',
    { minSpread: 1 },
    [1e-200, null, -1e-101, Number.NaN, 0, Infinity, 0, 1e101, 0, -Infinity, 7, null],
    [[10, 7, 0, 1, 7]],
  ),
  // First halves: 10 12, then 11 20 judged by 10 12 (median 11, deviation 1), then 9 9 by 10 11 12 20 (median 11.5; 0.5 0.5 1.5 8.5), then 30 by the
  // last two hours' 9 9 11 20 (median 10; 1 1 1 10). Second halves: 102 and 90 by 100 104 (deviation 2, but a twentieth of 102 is more).
  vector(
    'seasonal: by the same slot of the seasons before, the one that goes on excluded',
    { ...halves, threshold: 1 },
    hours([10, 12, 100, 104], [11, 20, 102, 90], [9, 9, 100, 101], [30, 10, 100, 100]),
    [
      [15, 20, 11, sigma, 9 / sigma],
      [21, 90, 102, 5.1, -12 / 5.1],
      [24, 9, 11.5, sigma, -2.5 / sigma],
      [27, 9, 11.5, sigma, -2.5 / sigma],
      [36, 30, 10, sigma, 20 / sigma],
    ],
  ),
  // Nothing came between the two: at 12 the first five are over, and 1 is what their median let expect.
  vector(
    'seasonal: by an occurrence that the next one of its slot follows at once',
    { ...halves, minPoints: 5 },
    [...Array<number>(5).fill(1), ...Array<undefined>(7).fill(undefined), 2],
    [[12, 2, 1, 0.05, 20]],
  ),
  // After a day off the history holds nothing.
  vector(
    'seasonal: not by what is beyond the history',
    halves,
    [...hours([10, 12, 10, 12]), ...Array<undefined>(276).fill(undefined), 99],
    [],
  ),
  // Spread 1. Residuals 2, 0 and -10 (counted as -3), averages 1, 1/2, -5/4; the variances of such averages are 1/3 of 3/4, 15/16 and 63/64.
  vector(
    'ewma: residuals averaged, in units of their standard deviation',
    { method: 'ewma', lambda: 0.5, clip: 3, window: '15 minutes', minPoints: 3, floor: 0, minSpread: 1, threshold: 0.5 },
    [10, 10, 10, 12, 10, 0],
    [
      [3, 12, 10, 1, 2],
      [4, 10, 10, 1, 0.5 / Math.sqrt(15 / 48)],
      [5, 0, 10, 1, -1.25 / Math.sqrt(63 / 192)],
    ],
  ),
  vector(
    'ewma: off where there is no spread counts as far as anything can',
    { method: 'ewma', floor: 0 },
    [5, 5, 5, 5, 5, 6],
    [[5, 6, 5, 0, 8]],
  ),
  // Twenty spreads off, of which the chart takes ten.
  vector(
    'ewma: without memory, the robust z-score',
    { method: 'ewma', lambda: 1, clip: 10 },
    [...calm, 30, 10, 2],
    [
      [12, 30, 10, sigma, 10],
      [14, 2, 10, sigma, -8 / sigma],
    ],
  ),
]
