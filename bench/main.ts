/**
 * `npm run bench -- NAME [--data DIR] [--url URL] [--rows N] [--json]`: measures, and prints a table or, with --json, one line a figure:
 * `{"figure":"load.speedup","value":12.3,"unit":"x"}`.
 */
import { parseArgs } from 'node:util'
import Table from 'cli-table3'
import type { Benchmark } from './benchmark.ts'
import { graph } from './graph.ts'
import { growth } from './growth.ts'
import { hll } from './hll.ts'
import { ingest } from './ingest.ts'
import { keep } from './keep.ts'
import { load } from './load.ts'
import { maintenance } from './maintain.ts'
import { moving } from './moving.ts'
import { nab } from './nab.ts'
import { patterns } from './patterns.ts'
import { retrieval } from './retrieval.ts'
import { series } from './series.ts'
import { printServiceGraphs } from './servicegraph.ts'
import { sketch } from './sketch.ts'
import { suspects } from './suspects.ts'
import { vector } from './vector.ts'

const benchmarks: Record<string, Benchmark> = {
  graph,
  growth,
  hll,
  ingest,
  keep,
  load,
  maintain: maintenance,
  moving,
  nab,
  patterns,
  retrieval,
  series,
  sketch,
  suspects,
  vector,
}

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { data: { type: 'string' }, url: { type: 'string' }, rows: { type: 'string' }, json: { type: 'boolean', default: false } },
})
const [name] = positionals
if (name === 'servicegraph' && positionals.length === 1 && values.data !== undefined) {
  await printServiceGraphs(values.data, (line) => console.log(line))
  process.exit(0)
}
const benchmark = name === undefined ? undefined : benchmarks[name]
if (benchmark === undefined || positionals.length !== 1) {
  console.error(
    `usage: npm run bench -- NAME [--data DIR] [--url URL] [--rows N] [--json]\nNAME is one of: ${Object.keys(benchmarks).join(', ')}\nor: npm run bench -- servicegraph --data DIR, which prints the edges of each OTLP file below DIR as JSON lines`,
  )
  process.exit(2)
}
const table = new Table({ head: ['figure', 'value', 'unit'], style: { head: [], border: [] }, colAligns: ['left', 'right', 'left'] })
process.once('uncaughtException', (error) => {
  console.error(`bench: ${error.message}`)
  process.exit(1)
})
for await (const { figure, value, unit } of benchmark({
  data: values.data,
  url: values.url,
  rows: values.rows === undefined ? undefined : Number(values.rows),
})) {
  if (values.json) console.log(JSON.stringify({ figure, value, unit }))
  else table.push([figure, value.toLocaleString('en', { maximumSignificantDigits: 4 }), unit])
}
if (!values.json) console.log(table.toString())
