import { glob, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { serviceUrn } from '../src/catalog/urn.ts'
import type { TimeRange } from '../src/database/range.ts'
import type { Scope } from '../src/database/scope.ts'
import { ingest } from '../src/ingest/ingest.ts'
import { cellNumber, csvRows } from './csv.ts'
import type { Fault } from './fault.ts'

/**
 * Faults of the Sock Shop: metrics of every container each second for some minutes, calm and then with one container's CPU or memory used up. Nobody
 * says who calls whom. Ikram, Chakraborty, Mitra, Saini, Bagchi, Kocaoglu: "Root Cause Analysis of Failures in Microservices through Causal
 * Discovery", NeurIPS 2022.
 *
 * @returns the folders of runs below `data`, in order: `carts-cpu/1`.
 */
export async function sockshopRuns(data: string): Promise<string[]> {
  const folders: string[] = []
  for await (const file of glob('*/*/anomalous.csv', { cwd: data })) folders.push(join(data, dirname(file)))
  return folders.toSorted()
}

/**
 * Loads a run through the library's own ingest, as OTLP/JSON lines. A container that is called like a service and `-db` counts as that service, so that
 * the cause is the folder's name; the service where it hurts is the front end.
 */
export async function loadSockshop(scope: Scope, folder: string): Promise<Fault[]> {
  const [calm, hurt] = [await readRun(join(folder, 'normal.csv')), await readRun(join(folder, 'anomalous.csv'))]
  await ingest(scope, requests([calm, hurt].toSorted((a, b) => a.range.from.getTime() - b.range.from.getTime())))
  const fault = basename(dirname(folder))
  return [
    {
      name: `${fault}/${basename(folder)}`,
      group: 'sockshop',
      part: fault,
      service: serviceUrn('front-end'),
      range: hurt.range,
      baseline: calm.range,
      cause: serviceUrn(fault.slice(0, fault.lastIndexOf('-'))),
    },
  ]
}

interface Run {
  rows: Readonly<Record<string, string | undefined>>[]
  range: TimeRange
}

const minute = 60_000

async function readRun(file: string): Promise<Run> {
  const rows = [...csvRows(await readFile(file, 'utf8'))].filter(({ time }) => cellNumber(time) !== null)
  const times = rows.map(({ time }) => Number(time) * 1_000).toSorted((a, b) => a - b)
  if (times.length === 0) throw new RangeError(`${file} has no rows`)
  return { rows, range: { from: new Date(Math.floor(times[0]! / minute) * minute), to: new Date(times.at(-1)! + 1_000) } }
}

async function* requests(runs: readonly Run[]): AsyncGenerator<string> {
  for (const row of runs.flatMap(({ rows }) => rows)) {
    const timeUnixNano = `${Math.round(Number(row['time']) * 1_000)}000000`
    const cells = Object.entries(row).flatMap(([column, cell]) => {
      const meaning = meaningOf(column)
      const value = cellNumber(cell)
      return meaning === undefined || value === null ? [] : [{ ...meaning, asDouble: value * meaning.factor }]
    })
    const resourceMetrics = [...Map.groupBy(cells, ({ container }) => container)].map(([container, ofContainer]) => ({
      resource: { attributes: keyValues({ 'service.name': container.replace(/-db$/, ''), 'k8s.pod.name': container }) },
      scopeMetrics: [
        {
          metrics: ofContainer.map(({ name, unit, attributes, asDouble }) => ({
            name,
            unit,
            gauge: { dataPoints: [{ timeUnixNano, asDouble, attributes: keyValues({ ...attributes, 'container.name': container }) }] },
          })),
        },
      ],
    }))
    yield `${JSON.stringify({ resourceMetrics })}\n`
  }
}

interface Meaning {
  container: string
  name: string
  unit: string
  factor: number
  attributes: Record<string, string>
}

/** What a column measures, such as `carts-db_cpu` or `front-end_lat_99`; undefined for the time and what is not known. */
export function meaningOf(column: string): Meaning | undefined {
  const [, container, kind, percent] = /^(.+?)_(cpu|mem|lod|lat)(?:_(\d\d))?$/.exec(column) ?? []
  const attributes = {}
  if (container === undefined) return undefined
  if (kind === 'cpu') return { container, name: 'container.cpu.usage', unit: '{cpu}', factor: 0.01, attributes }
  if (kind === 'mem') return { container, name: 'container.memory.usage', unit: 'By', factor: 1, attributes }
  if (kind === 'lod') return { container, name: 'service.request.rate', unit: '{request}/s', factor: 1, attributes }
  return {
    container,
    name: 'http.server.request.duration',
    unit: 's',
    factor: 1,
    attributes: { quantile: String(Number(percent) / 100) },
  }
}

const keyValues = (attributes: Record<string, string>) =>
  Object.entries(attributes).map(([key, stringValue]) => ({ key, value: { stringValue } }))
