import { callDrawing, type GraphPictureOptions } from './callDrawing.ts'
import type { DrawnEdge, DrawnVertex } from './drawing.ts'
import { printable } from './markup.ts'
import { style } from './style.ts'

/**
 * The call graph of `graphPicture` as a Mermaid flowchart, for Markdown that a viewer renders.
 *
 * Vertices are `v0`, `v1`, ... in the order of their first occurrence. Their labels are their
 * shortened names. Names are data: all but letters, digits, spaces and a few harmless signs are
 * written as Mermaid's character codes (`#58;`), so nothing is read as syntax or markup.
 *
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * graphMermaid({ title: 'Who calls whom', edges: [{ src_urn: 'checkout', dst_urn: 'payment', rps: 12.3 }] })
 *
 * // ---
 * // title: "Who calls whom"
 * // ---
 * // flowchart LR
 * //   v0["checkout"]
 * //   v1["payment"]
 * //   v0 -->|"12.3/s"| v1
 * //   classDef look0 fill:#f6f8fa,stroke:#aab4bf,stroke-width:1.2px,color:#1d2733
 * //   class v0,v1 look0
 * //   linkStyle 0 stroke:#7f8d9d,stroke-width:6px,color:#5a6775
 */
export function graphMermaid(options: GraphPictureOptions): string {
  const { title, omission, nothing, vertices, edges } = callDrawing(options)
  const idOf = new Map(vertices.map(({ name }, index) => [name, `v${index}`]))
  return [
    '---',
    // JSON is valid YAML, and this JSON has no line breaks.
    `title: ${JSON.stringify([printable(title), omission].filter((line) => line !== undefined).join(' '))}`,
    '---',
    'flowchart LR',
    ...(vertices.length === 0 ? [`  v0["${labelOf([nothing])}"]`] : []),
    ...vertices.map(({ name, lines }) => `  ${idOf.get(name)}["${labelOf(lines)}"]`),
    ...edges.map(
      ({ src_urn, dst_urn, lines }) => `  ${idOf.get(src_urn)} -->${lines.length > 0 ? `|"${labelOf(lines)}"|` : ''} ${idOf.get(dst_urn)}`,
    ),
    ...alike(vertices.map(vertexStyle)).flatMap(([look, numbers], index) => [
      `  classDef look${index} ${look}`,
      `  class ${numbers.map((number) => `v${number}`).join(',')} look${index}`,
    ]),
    ...alike(edges.map(edgeStyle)).map(([look, numbers]) => `  linkStyle ${numbers.join(',')} ${look}`),
    '',
  ].join('\n')
}

/**
 * Each style once, with the numbers of the elements that have it: Mermaid accepts at most 50,000
 * characters.
 */
function alike(looks: readonly string[]): [string, number[]][] {
  return [...Map.groupBy(looks.keys(), (number) => looks[number]!)]
}

/** Text within quotes, which Mermaid does not allow to be empty. */
const labelOf = (lines: readonly string[]): string => lines.map(plainLine).join('<br/>') || code(' ')

/** A line of text in which Mermaid finds no syntax, HTML or Markdown. */
const plainLine = (line: string): string =>
  printable(line)
    .replaceAll(/\s+/g, ' ')
    .replaceAll(/[^\p{L}\p{M}\p{N} _.,/()+×…-]/gu, code)
    // The rest has a meaning for Markdown in some places: the beginning of a list, a rule or code;
    // emphasis; a link.
    .replace(/^[-+ ]/, code)
    .replace(/(?<=^\d+)[.)](?= |$)/, code)
    .replaceAll(/(?<![\p{L}\p{N}])_|_(?![\p{L}\p{N}])/gu, code)
    .replaceAll(/(?<=www)\./gi, code)

const code = (character: string): string => `#${character.codePointAt(0)};`

const vertexStyle = ({ fill, line, width }: DrawnVertex): string =>
  `fill:${fill},stroke:${line},stroke-width:${width}px,color:${style.text}`

const edgeStyle = ({ colour, fontColour, width }: DrawnEdge): string =>
  `stroke:${colour},stroke-width:${Math.round(width * 2) / 2}px,color:${fontColour}`
