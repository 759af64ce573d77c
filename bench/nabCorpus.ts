import { access, glob, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { parse } from '../src/schema/parse.ts'
import type { RowWindow } from './nabScore.ts'

/** One series of the benchmark, with what its authors labelled. */
export interface LabelledSeries {
  /** The file, as the labels name it: `realTraffic/speed_6005.csv`. */
  name: string
  times: Date[]
  /** NaN where the file has no number. */
  values: number[]
  windows: RowWindow[]
}

const labels = z.record(z.string(), z.array(z.tuple([z.string(), z.string()])))

/** The labelled series in a folder of the benchmark, or in the folder `nab` in it, in the order of their names. */
export async function readCorpus(data: string): Promise<LabelledSeries[]> {
  const folder = (await exists(join(data, 'labels'))) ? data : join(data, 'nab')
  const windows = parse(
    labels,
    JSON.parse(await readFile(join(folder, 'labels', 'combined_windows.json'), 'utf8')),
    'combined_windows.json',
  )
  const names: string[] = []
  for await (const name of glob('**/*.csv', { cwd: join(folder, 'data') })) names.push(name.replaceAll('\\', '/'))
  names.sort()
  const unlabelled = names.filter((name) => windows[name] === undefined)
  if (unlabelled.length > 0) console.error(`left out, as nothing says where their anomalies are: ${unlabelled.join(', ')}`)
  return Promise.all(
    names
      .filter((name) => windows[name] !== undefined)
      .map(async (name) => labelled(name, await readFile(join(folder, 'data', name), 'utf8'), windows[name]!)),
  )
}

/**
 * A series from its text (`timestamp,value` lines below a heading) and the first and last time of each of its windows.
 *
 * @throws RangeError when there is no row in a window.
 */
export function labelled(name: string, csv: string, windows: readonly (readonly [string, string])[]): LabelledSeries {
  const rows = csv
    .split('\n')
    .slice(1)
    .filter((line) => line.trim() !== '')
    .map((line) => line.split(','))
  const times = rows.map(([time]) => utc(time!))
  return {
    name,
    times,
    // An empty field is no value, and not 0.
    values: rows.map(([, value]) => (value?.trim() ? Number(value) : Number.NaN)),
    windows: windows.map(([from, to]) => {
      const [first, last] = [times.findIndex((time) => time >= utc(from)), times.findLastIndex((time) => time <= utc(to))]
      if (first === -1 || last < first) throw new RangeError(`${name} has no row in its window from ${from} to ${to}`)
      return { first, last }
    }),
  }
}

/** Times are written without a zone; that of the labels is that of the rows, whichever it was. */
const utc = (time: string) => new Date(`${time.trim().replace(' ', 'T')}Z`)

const exists = (path: string) =>
  access(path).then(
    () => true,
    () => false,
  )
