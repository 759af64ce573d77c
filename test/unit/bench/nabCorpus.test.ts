import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { nab } from '../../../bench/nab.ts'
import { windowedGaussianScores } from '../../../bench/nabBaselines.ts'
import { labelled, readCorpus } from '../../../bench/nabCorpus.ts'

/** A file of the benchmark: five minutes between its rows. */
const csv = (values: (number | string)[]) => ['timestamp,value', ...values.map((value, row) => `${timeOf(row)},${value}`), ''].join('\n')

async function all<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

const timeOf = (row: number) => new Date(Date.UTC(2014, 1, 14) + row * 300_000).toISOString().slice(0, 19).replace('T', ' ')

describe('a series of the benchmark', () => {
  it('has the rows of its windows', () => {
    const series = labelled('a.csv', csv([1, 2.5, '', 'x', 5]).replaceAll('\n', '\r\n'), [[`${timeOf(1)}.000000`, `${timeOf(3)}.000000`]])
    expect(series).toMatchObject({ values: [1, 2.5, Number.NaN, Number.NaN, 5], windows: [{ first: 1, last: 3 }] })
    expect(series.times[1]).toEqual(new Date('2014-02-14T00:05:00Z'))
  })

  it('is refused when a window has no row', () => {
    expect(() => labelled('a.csv', csv([1, 2]), [['2015-01-01 00:00:00', '2015-01-02 00:00:00']])).toThrow(
      'a.csv has no row in its window from 2015',
    )
  })
})

describe('a folder of the benchmark', () => {
  let folder: string
  beforeEach(async () => {
    vi.spyOn(console, 'error').mockImplementation(() => undefined)
    folder = await mkdtemp(join(tmpdir(), 'pgvantage-nab-'))
    const write = async (name: string, text: string) => {
      await mkdir(join(folder, 'nab', name, '..'), { recursive: true })
      await writeFile(join(folder, 'nab', name), text)
    }
    const spike = Array.from({ length: 1_000 }, (_, row) => (row === 600 ? 99 : (row * row) % 7))
    await write('data/real/spike.csv', csv(spike))
    await write('data/real/constant.csv', csv(Array<number>(400).fill(0.1)))
    await write('data/real/gaps.csv', csv(Array<string>(300).fill('')))
    await write('data/short.csv', csv([1, 2, 3]))
    await write('data/unlabelled.csv', csv([1, 2, 3]))
    const windows = {
      'real/spike.csv': [[timeOf(600), timeOf(650)]],
      'real/constant.csv': [],
      'real/gaps.csv': [],
      'short.csv': [],
      'absent.csv': [],
    }
    await write('labels/combined_windows.json', JSON.stringify(windows))
  })
  afterEach(async () => {
    vi.restoreAllMocks()
    await rm(folder, { recursive: true })
  })

  it.each(['', 'nab'])('is read from it or the folder above it', async (below) => {
    const corpus = await readCorpus(join(folder, below))
    expect(corpus.map(({ name, values }) => [name, values.length])).toEqual([
      ['real/constant.csv', 400],
      ['real/gaps.csv', 300],
      ['real/spike.csv', 1_000],
      ['short.csv', 3],
    ])
    expect(console.error).toHaveBeenCalledWith('left out, as nothing says where their anomalies are: unlabelled.csv')
  })

  it('is scored whatever is in it', async () => {
    const figures = new Map((await all(nab({ data: folder }))).map(({ figure, value }) => [figure, value]))
    expect(Object.fromEntries(figures)).toMatchObject({ 'nab.files': 4, 'nab.windows': 1, 'nab.constant': 0 })
    expect(figures.get('nab.standard')).toBeCloseTo(100, 3)
    // It has one false alarm: the second row of the short file, whose first tells no deviation.
    expect(figures.get('nab.windowed_gaussian')).toBeCloseTo(100 - 50 * 0.11, 3)
  })
})

it('the windowed Gaussian passes over what is no number', () => {
  const values = [5, Number.NaN, 5, 6, 5, 50]
  const scores = windowedGaussianScores(values)
  expect(scores.slice(0, 3)).toEqual([0, 0, expect.closeTo(0.5, 6)])
  expect(scores[5]).toBeGreaterThan(0.999)
})
