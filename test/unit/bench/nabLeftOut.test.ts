import { expect, it } from 'vitest'
import { leaveFoldersOut } from '../../../bench/nabLeftOut.ts'
import type { SeriesPoints } from '../../../bench/nabScore.ts'

const series = (points: number, windows = 1): SeriesPoints => ({ points, windows })

it('judges a folder by the candidate that is best on the others', () => {
  const names = ['a/1', 'a/2', 'b/1', 'c/1']
  // The first is best on a by far, and therefore overall; without a the second is, without b or c
  // the first.
  const candidates = [
    [series(2), series(2), series(0.5), series(0.5)],
    [series(0), series(0), series(1), series(1)],
  ]
  expect(leaveFoldersOut(names, candidates)).toEqual([
    { folder: 'a', chosen: 1, points: [series(0), series(0)] },
    { folder: 'b', chosen: 0, points: [series(0.5)] },
    { folder: 'c', chosen: 0, points: [series(0.5)] },
  ])
})

it('leaves out a folder without windows, but not the only one that has some', () => {
  const candidates = [
    [series(2), series(-0.5, 0)],
    [series(1), series(0, 0)],
  ]
  expect(leaveFoldersOut(['a/1', 'b/1'], candidates)).toEqual([{ folder: 'b', chosen: 0, points: [series(-0.5, 0)] }])
})

it('has nothing to leave out of one folder', () => {
  expect(leaveFoldersOut(['1', '2'], [[series(1), series(1)]])).toEqual([])
})
