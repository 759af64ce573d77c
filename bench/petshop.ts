import { glob, readFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { sql } from 'kysely'
import { z } from 'zod'
import { serviceUrn } from '../src/catalog/urn.ts'
import { resourceIds } from '../src/catalog/resources.ts'
import type { TimeRange } from '../src/database/range.ts'
import type { Scope } from '../src/database/scope.ts'
import type { TelemetryResource } from '../src/ingest/records/telemetryResource.ts'
import type { MetricRow } from '../src/ingest/rollups/windows/ingestWindow.ts'
import { writeRollups } from '../src/ingest/writer/writeRollups.ts'
import { parse } from '../src/schema/parse.ts'
import { cellNumber, csvRecords } from './csv.ts'
import type { Fault } from './fault.ts'

/**
 * The PetShop dataset: metrics of every part of a shop in five-minute steps, who calls whom, and issues whose cause is known.
 * Hardt, Orchard, Blöbaum, Kasiviswanathan, Kirschbaum: "The PetShop Dataset: Finding Causes of Performance Issues across Microservices", 2024.
 *
 * @returns the folders below `data` that are a scenario, in order: those with a `graph.csv`, a `noissue` and issues.
 */
export async function petshopScenarios(data: string): Promise<string[]> {
  const folders: string[] = []
  for await (const file of glob('**/noissue/metrics.csv', { cwd: data })) folders.push(join(data, dirname(dirname(file))))
  return folders.toSorted()
}

/**
 * Loads a scenario into the tenant as who watches such a shop would have it: a resource for each node, the graph as edges `calls` of the topology, valid
 * at all times, and the metrics of normal time and of all issues, which lie at different times, in one table.
 *
 * - `latency` is `http.server.request.duration` in seconds, a summary: mean and 95th percentile of so many requests;
 * - `availability` is `service.availability`, the share of good requests in 0..1;
 * - `requests` is `service.request.rate` a second;
 * - any other metric keeps its name and its value.
 *
 * Of an issue it is told what its authors tell: the node, the measure and the time that hurt, and that the `noissue` rows are normal.
 * The issue's first rows, before that time, are in the database but in neither window.
 *
 * @returns the issues, train and test.
 */
export async function loadPetshop(scope: Scope, folder: string): Promise<Fault[]> {
  const normal = readMetrics(await readFile(join(folder, 'noissue', 'metrics.csv'), 'utf8'))
  const edges = readGraph(await readFile(join(folder, 'graph.csv'), 'utf8'))
  const issues: { path: string; target: Target; measured: Measured }[] = []
  for await (const file of glob('*/issue_*/target.json', { cwd: folder })) {
    const path = dirname(file)
    issues.push({
      path,
      target: parse(targetFile, JSON.parse(await readFile(join(folder, file), 'utf8')), file),
      measured: readMetrics(await readFile(join(folder, path, 'metrics.csv'), 'utf8')),
    })
  }
  issues.sort((a, b) => a.target.target.timestamp - b.target.target.timestamp)

  for (const { rows, nodes, range } of [normal, ...issues.map(({ measured }) => measured)]) {
    await writeRollups(scope, {
      ...range,
      resources: nodes.map(resource),
      metrics: rows,
      calls: [],
      patterns: [],
      sketches: [],
      locators: [],
    })
  }
  const named = [...new Set([...edges.flat(), ...issues.flatMap(({ target: { target, root_cause } }) => [target.node, root_cause.node])])]
  await writeRollups(scope, {
    ...normal.range,
    resources: named.map(resource),
    metrics: [],
    calls: [],
    patterns: [],
    sketches: [],
    locators: [],
  })
  await writeEdges(scope, edges)

  return issues.map(({ path, target: { target, root_cause }, measured }) => {
    const range = { from: new Date(target.timestamp * 1_000), to: measured.range.to }
    return {
      name: `${basename(folder)}/${path}`,
      group: `petshop.${target.metric}`,
      part: basename(folder),
      service: urn(target.node),
      trouble: target.metric === 'latency' ? 'latency' : 'errors',
      range,
      baseline: clearOf(normal.range, measured.range),
      cause: urn(root_cause.node),
    }
  })
}

const targetFile = z.object({
  target: z.object({ node: z.string(), metric: z.string(), timestamp: z.number() }),
  root_cause: z.object({ node: z.string() }),
})
type Target = z.output<typeof targetFile>

/** What a file of metrics says. */
interface Measured {
  rows: MetricRow[]
  nodes: string[]
  /** From its first row to the end of its last. */
  range: TimeRange
}

/** A column of a file of metrics is one statistic of one metric of one node: its first three lines say which. */
export function readMetrics(csv: string): Measured {
  const records = [...csvRecords(csv)]
  const [nodes, metrics, statistics] = records
  if (nodes === undefined || metrics === undefined || statistics === undefined)
    throw new RangeError('metrics.csv has no heading of three lines')
  const columns = new Map<string, Map<string, Map<string, number>>>()
  for (let column = 1; column < nodes.length; column++) {
    const ofNode = memoryOf(columns, nodes[column]!, () => new Map<string, Map<string, number>>())
    memoryOf(ofNode, metrics[column]!, () => new Map<string, number>()).set(statistics[column]!, column)
  }
  // By the minute in which a row's step begins: of two rows of one minute the later counts.
  const lines = new Map(
    records.slice(3).flatMap((line): [number, string[]][] => {
      const time = cellNumber(line[0])
      return time === null ? [] : [[Math.floor(time / 60) * 60_000, line]]
    }),
  )
  const times = [...lines.keys()].toSorted((a, b) => a - b)
  if (times.length === 0) throw new RangeError('metrics.csv has no rows')
  const step = Math.min(...times.slice(1).map((time, at) => time - times[at]!), 300_000)
  const rows: MetricRow[] = []
  for (const [time, line] of lines) {
    for (const [node, ofNode] of columns) {
      const cell = (metric: string, statistic: string) => cellNumber(line[ofNode.get(metric)?.get(statistic) ?? -1])
      const requests = cell('requests', 'Sum')
      for (const metric of ofNode.keys()) {
        const figures = (figuresOf[metric] ?? otherFigures(metric))(cell.bind(null, metric), { requests, seconds: step / 1_000 })
        if (figures.avg === null && figures.p95 === null) continue
        rows.push({ bucket: new Date(time), resource: urn(node), labels: {}, max: null, sampleCount: 1, histogram: null, ...figures })
      }
    }
  }
  return { rows, nodes: [...columns.keys()], range: { from: new Date(times[0]!), to: new Date(times.at(-1)! + step) } }
}

type Figures = Pick<MetricRow, 'metric' | 'unit' | 'kind' | 'avg' | 'p95'> & Partial<MetricRow>
type ReadFigures = (cell: (statistic: string) => number | null, step: { requests: number | null; seconds: number }) => Figures

const figuresOf: Readonly<Record<string, ReadFigures>> = {
  latency: (cell, { requests }) => ({
    metric: 'http.server.request.duration',
    unit: 's',
    kind: 'summary',
    avg: cell('Average'),
    p95: cell('p95'),
    sampleCount: requests ?? 1,
  }),
  availability: (cell, { requests }) => {
    const percent = cell('Average')
    const share = percent === null ? null : percent / 100
    return { metric: 'service.availability', unit: '1', kind: 'gauge', avg: share, p95: null, sampleCount: requests ?? 1 }
  },
  requests: (cell, { seconds }) => {
    const sum = cell('Sum')
    const rate = sum === null ? null : sum / seconds
    return { metric: 'service.request.rate', unit: '{request}/s', kind: 'counter', avg: rate, max: rate, p95: rate }
  },
}

const otherFigures =
  (metric: string): ReadFigures =>
  (cell) => ({ metric, unit: null, kind: 'gauge', avg: cell('Average') ?? cell('Sum'), p95: cell('p95') })

/** The pairs of a graph's adjacency matrix: who a row names calls who a column names, where the cell is not 0. */
export function readGraph(csv: string): [src_urn: string, callee: string][] {
  const [heading, ...lines] = csvRecords(csv)
  return lines.flatMap(([caller, ...cells]) =>
    cells.flatMap((cell, at): [string, string][] => ((cellNumber(cell) ?? 0) === 0 ? [] : [[caller!, heading![at + 1]!]])),
  )
}

async function writeEdges(scope: Scope, edges: readonly (readonly [string, string])[]): Promise<void> {
  const ids = await resourceIds(scope, [...new Set(edges.flat().map(urn))])
  const pairs = edges.map(([caller, callee]) => ({ src: ids.get(urn(caller)), dst: ids.get(urn(callee)) }))
  await sql`
    insert into ${scope.id('topo_edge_time')} (tenant_id, src_resource_id, dst_resource_id, relation, valid)
    select ${scope.tenantId}::int8, src, dst, 'calls', tstzrange('-infinity', null)
    from jsonb_to_recordset(${JSON.stringify(pairs)}::jsonb) as pair (src int8, dst int8)
  `.execute(scope.db)
}

const urn = (node: string) => serviceUrn(node)

/** A node is named after what it is and, behind the last underscore, of what sort. */
function resource(node: string): TelemetryResource {
  const sort = node.slice(node.lastIndexOf('_') + 1)
  const type = /DynamoDB|SQL/.test(sort)
    ? 'database'
    : /SQS|SNS|Notification/.test(sort)
      ? 'queue'
      : sort === 'remote'
        ? 'external'
        : 'service'
  return { urn: urn(node), type, name: node, env: null, region: null, zone: null, labels: {} }
}

/** Where normal time has the issue in it, the longer of the parts before and after it. */
function clearOf(normal: TimeRange, issue: TimeRange): TimeRange {
  if (issue.to <= normal.from || normal.to <= issue.from) return normal
  const [before, after] = [issue.from.getTime() - normal.from.getTime(), normal.to.getTime() - issue.to.getTime()]
  return before >= after ? { from: normal.from, to: issue.from } : { from: issue.to, to: normal.to }
}

function memoryOf<K, T>(memory: Map<K, T>, key: K, create: () => T): T {
  let value = memory.get(key)
  if (value === undefined) memory.set(key, (value = create()))
  return value
}
