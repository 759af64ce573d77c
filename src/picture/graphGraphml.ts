import { z } from 'zod'
import { parseOptions } from '../schema/parse.ts'
import { namesOf } from './drawing.ts'
import { escapeMarkup } from './markup.ts'
import { edgeEnds } from './pictureFields.ts'

export interface GraphmlOptions<Edge extends GraphmlEdge = GraphmlEdge, Vertex extends GraphmlVertex = GraphmlVertex> {
  /** Edges between names. All other columns of a row are data of the edge. */
  edges: readonly Edge[]
  /** The data of vertices, by name; vertices without an edge are included. */
  vertices?: readonly Vertex[]
}

export interface GraphmlEdge {
  src_urn: string
  dst_urn: string
}

export interface GraphmlVertex {
  name: string
}

const graphmlOptions = z.strictObject({
  edges: z.array(z.looseObject(edgeEnds)),
  vertices: z.array(z.looseObject({ name: z.string() })).optional(),
})

/**
 * A graph with all its data as GraphML, for Gephi, yEd, Cytoscape, networkx or igraph.
 *
 * | | |
 * |---|---|
 * | vertices | `v0`, `v1`, ... in the order of their first occurrence, with their name as data `name` |
 * | edges | `e0`, `e1`, ... in the given order |
 * | type of a column | `double` if all its values are numbers, `boolean` if all are booleans, otherwise `string`: times as ISO 8601 in UTC, objects as JSON |
 * | null | is left out |
 * | characters that XML cannot hold | are written as U+FFFD |
 *
 * The GraphML File Format, http://graphml.graphdrawing.org.
 *
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * const graph = await toGraphology(activeCalls(scope), { scope, vertices: resourceNames(scope) })
 * await writeFile('calls.graphml', graphGraphml({ edges: edgesOf(graph, (_, { urn }) => urn) }))
 */
export function graphGraphml<Edge extends GraphmlEdge, Vertex extends GraphmlVertex = GraphmlVertex>(
  options: GraphmlOptions<Edge, Vertex>,
): string {
  // Only checked: the rows are written as given, with all their columns.
  parseOptions(graphmlOptions, options)
  const { edges, vertices = [] } = options
  const known = new Map(vertices.map((vertex) => [vertex.name, vertex]))
  const names = [...new Set([...namesOf(edges), ...known.keys()])]
  const idOf = new Map(names.map((name, index) => [name, `v${index}`]))
  const vertexColumns = columnsOf(vertices, ['name'], 'vd')
  const edgeColumns = columnsOf(edges, ['src_urn', 'dst_urn'], 'ed')

  return [
    '<?xml version="1.0" encoding="UTF-8"?>',
    '<graphml xmlns="http://graphml.graphdrawing.org/xmlns">',
    keyMarkup({ key: 'name', column: 'name', type: 'string' }, 'node'),
    ...vertexColumns.map((column) => keyMarkup(column, 'node')),
    ...edgeColumns.map((column) => keyMarkup(column, 'edge')),
    '  <graph edgedefault="directed">',
    ...names.flatMap((name) => [
      `    <node id="${idOf.get(name)}">`,
      dataMarkup('name', name),
      ...rowMarkup(known.get(name) ?? {}, vertexColumns),
      '    </node>',
    ]),
    ...edges.flatMap((edge, index) => [
      `    <edge id="e${index}" source="${idOf.get(edge.src_urn)}" target="${idOf.get(edge.dst_urn)}">`,
      ...rowMarkup(edge, edgeColumns),
      '    </edge>',
    ]),
    '  </graph>',
    '</graphml>',
    '',
  ].join('\n')
}

const keyMarkup = ({ key, column, type }: Column, target: 'node' | 'edge'): string =>
  `  <key id="${key}" for="${target}" attr.name="${escapeMarkup(column)}" attr.type="${type}"/>`

const dataMarkup = (key: string, value: unknown): string => `      <data key="${key}">${escapeMarkup(textOf(value))}</data>`

const rowMarkup = (row: object, columns: readonly Column[]): string[] =>
  columns.flatMap(({ key, column }) => {
    const value: unknown = Reflect.get(row, column)
    return value === null || value === undefined ? [] : [dataMarkup(key, value)]
  })

interface Column {
  /** Its id in GraphML. */
  key: string
  column: string
  type: 'double' | 'boolean' | 'string'
}

/** The columns of some rows, without the named ones, in the order of their first occurrence. */
function columnsOf(rows: readonly object[], without: readonly string[], prefix: string): Column[] {
  const types = new Map<string, Column['type'] | undefined>()
  for (const row of rows) {
    for (const [column, value] of Object.entries(row)) {
      if (without.includes(column)) continue
      const known = types.get(column)
      const type = value === null || value === undefined ? known : typeOf(value)
      types.set(column, known === undefined || known === type ? type : 'string')
    }
  }
  return [...types].map(([column, type = 'string'], index) => ({ key: `${prefix}${index}`, column, type }))
}

const typeOf = (value: unknown): Column['type'] =>
  typeof value === 'number' ? 'double' : typeof value === 'boolean' ? 'boolean' : 'string'

function textOf(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  // The form of XML Schema.
  if (value === Infinity) return 'INF'
  if (value === -Infinity) return '-INF'
  if (typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean') return String(value)
  return JSON.stringify(value) ?? ''
}
