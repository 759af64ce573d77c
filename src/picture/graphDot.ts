import { attribute, Digraph, Edge, Node, toDot } from 'ts-graphviz'
import { callDrawing, type GraphPictureOptions } from './callDrawing.ts'
import { printable } from './markup.ts'
import { style } from './style.ts'

/**
 * The call graph of `graphPicture` in Graphviz' own language, for `dot`, `neato` or an editor.
 *
 * Vertices are `v0`, `v1`, ... in the order of their first occurrence. Their tooltips are their
 * names, their labels the shortened names. Names are data: nothing in them is read as markup, as an
 * escape or as the end of a string. All edges are included unless you set a `limit`.
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
  // Without this it fails at 100,000 attributes.
  return `${toDot(graph, { convert: { maxASTNodes: Infinity } })}\n`
}

/**
 * Lines of text as a label. What has a meaning for Graphviz becomes a character reference, which
 * Graphviz reads in every label. So does what ts-graphviz would change: it takes `<...>` for HTML
 * and keeps a quote after a backslash. A backslash becomes two, because escapes are read after
 * references.
 */
const labelOf = (lines: readonly string[]): string => lines.map((line) => plainText(line).replaceAll('\\', '&#92;&#92;')).join('\n')

/** A name as a tooltip, in which escapes are read before references. */
const tooltipOf = (name: string): string => plainText(name).replaceAll('\\', '&#92;')

const plainText = (text: string): string =>
  printable(text)
    .replaceAll(/[&<>"]/g, (character) => `&#${character.codePointAt(0)};`)
    .replaceAll(/\s+/g, ' ')
