import { describe, expect, it } from 'vitest'
import { nabScore, nabScoreAt, probation } from '../../../bench/nabScore.ts'

/** Rows of score 0, but for these. */
function scores(rows: number, odd: Record<number, number>): number[] {
  const all = Array<number>(rows).fill(0)
  for (const [row, score] of Object.entries(odd)) all[Number(row)] = score
  return all
}

const window = { first: 40, last: 49 }

/** 2 / (1 + e^(5y)) - 1 of these y, from a table of the logistic function. */
const sigmoid = { '-1': 0.9866143, '-0.5': 0.8482836, '-0.1': 0.2449187, '1/9': -0.2708646, '1': -0.9866143 }

describe('the score of a detection', () => {
  const of = (odd: Record<number, number>) => nabScoreAt([{ scores: scores(100, odd), windows: [window] }], 1)

  it.each([
    ['nothing', {}, 0],
    ['the first row of the window', { 40: 1 }, 100],
    ['the row in its middle', { 45: 1 }, 50 * (1 + sigmoid['-0.5'] / 0.98661)],
    ['its last row', { 49: 1 }, 50 * (1 + sigmoid['-0.1'] / 0.98661)],
    ['three of its rows, of which the earliest counts', { 49: 1, 45: 3, 47: 2 }, 50 * (1 + sigmoid['-0.5'] / 0.98661)],
    ['a row before any window', { 20: 1 }, -50 * 0.11],
    ['the row right after the window', { 50: 1 }, 50 * 0.11 * sigmoid['1/9']],
    ["a row one window's width after it", { 58: 1 }, 50 * 0.11 * sigmoid['1']],
    ['a row more than three widths after it', { 77: 1 }, -50 * 0.11],
    ['two rows outside and the first inside', { 20: 1, 40: 1, 90: 1 }, 100 - 2 * 50 * 0.11],
    ['rows that are not scored', { 0: 1, 14: 1 }, 0],
    ['the first row that is', { 15: 1 }, -50 * 0.11],
  ])('of %s', (_, odd, expected) => {
    expect(of(odd)).toBeCloseTo(expected, 3)
  })
})

it('leaves 15 % of the rows, at most 750, for learning', () => {
  expect([100, 1_127, 4_032, 5_000, 22_695].map(probation)).toEqual([15, 169, 604, 750, 750])
})

it('costs most after the width of the nearest window past', () => {
  const windows = [
    { first: 20, last: 24 },
    { first: 40, last: 49 },
  ]
  const at = (row: number) => nabScoreAt([{ scores: scores(100, { [row]: 1 }), windows }], 1)
  // Four rows past a window that spans four steps, and nine past one of nine.
  expect(at(28)).toBeCloseTo(25 * 0.11 * sigmoid['1'], 3)
  expect(at(58)).toBeCloseTo(25 * 0.11 * sigmoid['1'], 3)
})

it('takes one threshold for all series, the best', () => {
  const corpus = [
    { scores: scores(100, { 40: 5, 20: 4 }), windows: [window] },
    { scores: scores(100, { 40: 3 }), windows: [window] },
  ]
  expect(nabScore(corpus)).toEqual({ threshold: 3, score: expect.closeTo(100 - 25 * 0.11, 3) })
  expect(nabScoreAt(corpus, 4.5)).toBeCloseTo(50, 3)
  expect(nabScoreAt(corpus, 5)).toBeCloseTo(50, 3)
  expect(nabScoreAt(corpus, 3.5)).toBeCloseTo(50 - 25 * 0.11, 3)
  expect(nabScoreAt(corpus, 6)).toBe(0)
})

it('gives a detector that finds nothing, or everything, 0', () => {
  const constant = { scores: scores(1_000, {}), windows: [window] }
  expect(nabScore([constant])).toEqual({ threshold: Infinity, score: 0 })
})

it('counts false alarms of a series without windows', () => {
  const quiet = { scores: scores(100, { 50: 9 }), windows: [] }
  expect(nabScoreAt([quiet, { scores: scores(100, { 40: 9 }), windows: [window] }], 9)).toBeCloseTo(100 - 50 * 0.11, 3)
  expect(() => nabScore([quiet])).toThrow('no labelled window')
})

it('does not fail at a window of one row', () => {
  const windows = [{ first: 40, last: 40 }]
  expect(nabScoreAt([{ scores: scores(100, { 40: 1, 41: 1 }), windows }], 1)).toBeCloseTo(100 - 50 * 0.11, 3)
})
