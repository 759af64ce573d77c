import { glob, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { readOtlp } from '../src/ingest/sources/readOtlp.ts'
import { rollUp } from '../src/ingest/rollUp.ts'
import { compareBytes } from '../src/schema/compareBytes.ts'

/** What is called, as far as the ends of an edge tell. */
type EdgeKind = 'service' | 'database' | 'messaging' | 'virtual'

interface Edge {
  from: string
  to: string
  calls: number
  errors: number
  kind: EdgeKind
}

/**
 * The edges of the service graph of each OTLP file below a folder, as JSON lines (`file`, `from`, `to` as URNs, `calls`, `errors`, `kind`), to be held
 * against those of other tools. What is no OTLP is told on stderr and passed over.
 */
export async function printServiceGraphs(data: string, print: (line: string) => void): Promise<void> {
  const files: string[] = []
  for await (const file of glob('**/*', { cwd: data })) files.push(file)
  for (const file of files.toSorted(compareBytes)) {
    if (!(await stat(join(data, file))).isFile()) continue
    const { edges, problem } = await edgesOf(join(data, file))
    if (problem !== undefined && edges.length === 0) console.error(`passed over: ${file}: ${problem}`)
    for (const edge of edges) print(JSON.stringify({ file, ...edge }))
  }
}

async function edgesOf(path: string): Promise<{ edges: Edge[]; problem: string | undefined }> {
  let problem: string | undefined
  const edges = new Map<string, Edge>()
  const requests = readOtlp(path, { onMalformed: ({ line, reason }) => (problem ??= `line ${line}: ${reason}`) })
  for await (const { calls, resources } of rollUp(requests)) {
    const types = new Map(resources.map(({ urn, type }) => [urn, type]))
    for (const { from, to, callCount, errorCount } of calls) {
      const key = `${from}\0${to}`
      const edge = edges.get(key) ?? { from, to, calls: 0, errors: 0, kind: kindOf(types.get(from), types.get(to)) }
      edges.set(key, { ...edge, calls: edge.calls + callCount, errors: edge.errors + errorCount })
    }
  }
  return { edges: [...edges.keys()].toSorted(compareBytes).map((key) => edges.get(key)!), problem }
}

function kindOf(...types: (string | undefined)[]): EdgeKind {
  if (types.includes('database')) return 'database'
  if (types.includes('queue')) return 'messaging'
  return types.every((type) => type === 'service') ? 'service' : 'virtual'
}
