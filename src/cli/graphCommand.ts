import { writeFile } from 'node:fs/promises'
import { extname } from 'node:path'
import { Command, Option } from 'commander'
import { activeCalls } from '../calls/activeCalls.ts'
import { callsDuring } from '../calls/callsDuring.ts'
import { durationText, last } from '../database/range.ts'
import type { Scope } from '../database/scope.ts'
import type { EdgeFrame, EdgeRow } from '../graph/edgeFrame.ts'
import { hopCount } from '../graph/hops.ts'
import { neighbourhood } from '../graph/neighbourhood.ts'
import { resourceNames } from '../graph/resourceNames.ts'
import { toGraphology } from '../graph/toGraphology.ts'
import type { WalkDirection } from '../graph/walkedEdges.ts'
import type { CallEdge, GraphPictureOptions } from '../picture/callDrawing.ts'
import { edgesOf } from '../picture/edgesOf.ts'
import { graphDot } from '../picture/graphDot.ts'
import { graphGraphml } from '../picture/graphGraphml.ts'
import { graphMermaid } from '../picture/graphMermaid.ts'
import { graphPicture } from '../picture/graphPicture.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parse, preview } from '../schema/parse.ts'
import { boundedText, urnText } from '../schema/text.ts'
import { topologyAt } from '../topology/topologyAt.ts'
import { compareBytes } from '../schema/compareBytes.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { time, wholeNumber } from './options.ts'
import { requireResource } from './requireResource.ts'
import { newestOf, staleWarning } from './staleWarning.ts'
import type { Surroundings } from './surroundings.ts'
import { scopeOf, tenantOption } from './tenant.ts'

const formats = ['svg', 'dot', 'mermaid', 'graphml', 'json'] as const
type Format = (typeof formats)[number]

interface Options {
  database?: string
  schema?: string
  tenant?: string
  resource: string
  at?: Date
  window?: string
  topology?: string | true
  hops: number
  direction: WalkDirection
  format?: Format
  out?: string
  json?: boolean
}

/**
 * `pgvantage graph --resource URN`: what is around a resource, now or at any moment, as a picture
 * or for a program.
 */
export function graphCommand({ env, out, err }: Surroundings): Command {
  return new Command('graph')
    .description('draw who calls whom around a resource, now or at any moment')
    .requiredOption('-r, --resource <urn>', 'what is in the middle')
    .addOption(tenantOption())
    .option('--at <time>', 'the moment, such as 2026-11-22T09:30:00Z (default: now)', time)
    .option('--window <interval>', 'the calls of how long before that moment (default: the active call graph, or 10 minutes before --at)')
    .addOption(
      new Option('--topology [relation]', 'the recorded topology instead of calls: of one relation, or of all').conflicts('window'),
    )
    .option('--hops <n>', 'how far around', wholeNumber, 2)
    .addOption(new Option('--direction <which>', 'callees, callers, or both').choices(['out', 'in', 'both']).default('both'))
    .addOption(new Option('-f, --format <format>', 'of the output (default: as the name of --out ends, or svg)').choices(formats))
    .option('-o, --out <file>', 'where it goes (default: the standard output)')
    .addOption(new Option('--json', 'one JSON document, as with --format json').conflicts(['format', 'out']))
    .addOption(databaseOption())
    .addOption(schemaOption())
    .action(async (options: Options) => {
      const format = options.json ? 'json' : (options.format ?? formatOf(options.out))
      const text = await withDatabase(options, env, async (db) => {
        const scope = await scopeOf(db, options)
        parse(urnText, options.resource, '--resource')
        parse(hopCount, options.hops, '--hops')
        await requireResource(scope, options.resource)
        const { edges, what } = await around(scope, options)
        if (options.topology === undefined) {
          const moment = options.at ?? new Date()
          err(staleWarning(scope, await newestOf(scope, 'calls', moment), moment) ?? '')
        }
        if (edges.length === 0) err(`nothing is around ${options.resource}: ${what}\n`)
        return render(edges, what, options.resource, format)
      })
      if (options.out === undefined) out(text)
      else {
        await writeFile(options.out, text)
        err(`wrote ${options.out}\n`)
      }
    })
}

const endings: Readonly<Record<string, Format>> = {
  '': 'svg',
  '.svg': 'svg',
  '.dot': 'dot',
  '.gv': 'dot',
  '.mmd': 'mermaid',
  '.mermaid': 'mermaid',
  '.graphml': 'graphml',
  '.json': 'json',
}

/** The format that a file's name asks for. An SVG in a file called `.png` opens nowhere. */
function formatOf(file: string | undefined): Format {
  const format = endings[extname(file ?? '').toLowerCase()]
  if (format !== undefined) return format
  const known = Object.keys(endings).filter((ending) => ending !== '')
  throw new InvalidInputError('--out', `must end in one of ${known.join(', ')}, or --format say what it holds, got ${preview(file)}`)
}

/** The edges around the resource, with URNs at their ends, and in words which they are. */
async function around(scope: Scope, options: Options): Promise<{ edges: CallEdge[]; what: string }> {
  const { at, window, topology, resource, hops, direction } = options
  const drawn = async <Row extends EdgeRow>(frame: EdgeFrame<Row>) => {
    const near = neighbourhood(scope, frame, { resource, hops, direction })
    const graph = await toGraphology(near, { scope, vertices: resourceNames(scope), multi: true })
    return edgesOf(graph, (_, { urn }) => urn).toSorted((a, b) => compareBytes(a.src_urn, b.src_urn) || compareBytes(a.dst_urn, b.dst_urn))
  }
  const moment = at ?? new Date()
  if (topology !== undefined) {
    const relation = topology === true ? undefined : parse(boundedText(255), topology, '--topology')
    return {
      edges: await drawn(topologyAt(scope, { at: moment, relation })),
      what: `the topology at ${moment.toISOString()}${relation === undefined ? '' : `, relation ${relation}`}`,
    }
  }
  if (at === undefined && window === undefined && scope.graphMade)
    return { edges: await drawn(activeCalls(scope)), what: 'the active call graph, as it was refreshed last' }
  const range = last(parse(durationText, window ?? '10 minutes', '--window'), () => moment)
  return { edges: await drawn(callsDuring(scope, { range })), what: `calls from ${range.from.toISOString()} to ${range.to.toISOString()}` }
}

async function render(edges: CallEdge[], what: string, resource: string, format: Format): Promise<string> {
  const picture: GraphPictureOptions = { title: `Around ${resource}`, description: `${what[0]!.toUpperCase()}${what.slice(1)}.`, edges }
  switch (format) {
    case 'svg':
      return graphPicture(picture)
    case 'dot':
      return graphDot(picture)
    case 'mermaid':
      return graphMermaid(picture)
    case 'graphml':
      return graphGraphml({ edges })
    case 'json':
      return document({ resource, what, edges })
  }
}
