import { attribute, Digraph, Edge, Node, toDot } from 'ts-graphviz'
import { callDrawing, type GraphPictureOptions } from './callDrawing.ts'
import { printable } from './markup.ts'
import { style } from './style.ts'

/**
 * The call graph in Graphviz' own language, as `graphPicture` draws it: for `dot`, `neato` or an
 * editor.
 *
 * Vertices are `v0`, `v1`, ... in the order in which they occur; their names are their tooltips
 * and, shortened, their labels. Names are data: nothing in them is read as markup, an escape or the
 * end of a string. All edges are in it unless there is a `limit`.
 *
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * await writeFile('calls.dot', graphDot({ title: 'Who calls whom', edges }))
 *
 * // digraph "calls" {
 * //   label = "Who calls whom";
 * //   "v0" [ label = "checkout", tooltip = "urn:k8s:svc:shop/checkout" ];
 * //   "v0" -> "v1" [ label = "12.3/s\np95 840 ms", color = "#c81e1e", penwidth = 6 ];
 * // }
 */
export function graphDot(options: GraphPictureOptions): string {
  const { title, description, omission, vertices, edges } = callDrawing(options, Infinity)
  const graph = new Digraph('calls', {
    [attribute.label]: labelOf([title, description, omission].filter((line) => line !== undefined)),
    [attribute.labelloc]: 't',
    [attribute.rankdir]: 'LR',
  })
  graph.node({ shape: 'box', style: 'filled,rounded', fontname: 'Helvetica', fontcolor: style.text })
  graph.edge({ fontname: 'Helvetica', fontsize: 11 })
  const nodes = new Map(
    vertices.map(({ name, lines, fill, line, width }, index) => {
      const label = { label: labelOf(lines), tooltip: tooltipOf(name) }
      return [name, new Node(`v${index}`, { ...label, fillcolor: fill, color: line, penwidth: width })]
    }),
  )
  for (const node of nodes.values()) graph.addNode(node)
  for (const { src_urn, dst_urn, lines, colour, fontColour, width } of edges) {
    const looks = { color: colour, fontcolor: fontColour, penwidth: Math.round(width * 100) / 100 }
    graph.addEdge(new Edge([nodes.get(src_urn)!, nodes.get(dst_urn)!], { label: labelOf(lines), ...looks }))
  }
  // It gives up at 100,000 attributes otherwise.
  return `${toDot(graph, { convert: { maxASTNodes: Infinity } })}\n`
}

/**
 * Lines of text as a label: what means something to Graphviz (or to ts-graphviz, which takes
 * `<...>` for HTML and leaves a quote after a backslash as it is) becomes a character reference,
 * which Graphviz reads in every label. A backslash becomes two: escapes are read after references.
 */
const labelOf = (lines: readonly string[]): string => lines.map((line) => plainText(line).replaceAll('\\', '&#92;&#92;')).join('\n')

/** A name as a tooltip, where escapes are read before references. */
const tooltipOf = (name: string): string => plainText(name).replaceAll('\\', '&#92;')

const plainText = (text: string): string =>
  printable(text)
    .replaceAll(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`)
    .replaceAll(/\s+/g, ' ')
