import type { Graph } from '@viz-js/viz'
import type { Drawing } from './drawing.ts'
import { escapeMarkup, printable } from './markup.ts'
import { optionalPackage } from './optionalPackage.ts'
import { style } from './style.ts'

/**
 * A drawing as a standalone SVG, laid out by Graphviz. `what` names it in the message.
 *
 * @throws MissingCapabilityError if the package `@viz-js/viz` is not installed.
 */
export async function drawnSvg(drawing: Drawing, what: string): Promise<string> {
  const { instance } = await optionalPackage('@viz-js/viz', what, () => import('@viz-js/viz'))
  const viz = await instance()
  return framed(drawing, viz.renderString(layoutOf(drawing), { format: 'svg', yInvert: false }))
}

/** The graph in Graphviz' terms. */
const layoutOf = ({ vertices, edges }: Drawing): Graph => ({
  directed: true,
  graphAttributes: { rankdir: 'LR', bgcolor: 'transparent', nodesep: 0.45, ranksep: 0.55, pad: 0.1, fontname: 'Helvetica' },
  nodeAttributes: {
    shape: 'box',
    style: 'filled,rounded',
    fontname: 'Helvetica',
    fontsize: 14,
    fontcolor: style.text,
    margin: '0.22,0.13',
  },
  edgeAttributes: { fontname: 'Helvetica', fontsize: 11.5, arrowsize: 0.7, arrowhead: 'normal' },
  nodes: vertices.map(({ name, lines, fill, line, width, dashed }) => ({
    name: printable(name),
    attributes: {
      label: lines.map(plainLabel).join('\n'),
      fillcolor: fill,
      color: line,
      penwidth: width,
      ...(dashed && { style: 'filled,rounded,dashed' }),
    },
  })),
  edges: edges.map(({ src_urn, dst_urn, lines, colour, fontColour, width, dashed, pull }) => ({
    tail: printable(src_urn),
    head: printable(dst_urn),
    attributes: {
      // The empty last line keeps a thick line away from the words above it.
      label: [...lines.map(plainLabel), ''].map((line) => ` ${line} `).join('\n'),
      color: colour,
      fontcolor: fontColour,
      penwidth: width,
      weight: pull,
      ...(dashed && { style: 'dashed' }),
    },
  })),
})

/** Graphviz reads backslashes and character entities in labels; here they are text. */
const plainLabel = (text: string): string => printable(text).replaceAll('\\', '\\\\').replaceAll('&', '&amp;').replaceAll(/\s+/g, ' ')

const margin = 28

/** Adds title, description and legend to Graphviz' drawing. */
function framed({ title, description, omission, summary, nothing, vertices, legend }: Drawing, drawn: string): string {
  const [, left = '0', top = '0', drawnWidth = '0', drawnHeight = '0'] = /viewBox="([-\d.]+) ([-\d.]+) ([\d.]+) ([\d.]+)"/.exec(drawn) ?? []
  const inner = drawn
    .slice(drawn.indexOf('<g '), drawn.lastIndexOf('</svg>'))
    // Ids would collide with those of another picture on the same page.
    .replaceAll(/ id="(?:graph|node|edge|a_node|a_edge)\d+"/g, '')
    // The graph's own title would be the tooltip of every element without one.
    .replace(/<title>[^<]*<\/title>/, '')
    .replaceAll('font-family="Helvetica,sans-Serif"', `font-family="${escapeMarkup(style.font)}"`)
  const empty = vertices.length === 0
  const [graphWidth, graphHeight] = empty ? [0, 40] : [Number(drawnWidth), Number(drawnHeight)]
  const legendWidths = legend.map(({ words }) => 44 + words.length * 5.6)
  const legendWidth = legendWidths.reduce((sum, width) => sum + width, 0)
  const width = Math.ceil(Math.max(graphWidth, legendWidth, 640) + 2 * margin)
  const below = [description, omission].filter((sentence) => sentence !== undefined)
  const header = 62 + 24 * below.length
  const height = Math.ceil(header + graphHeight + 64)
  const text = (x: number, y: number, size: number, colour: string, content: string, more = '') =>
    `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}"${more}>${escapeMarkup(content)}</text>`
  let at = margin
  const legendMarkup = legend.map(({ colour, dashed, words }, index) => {
    const x = at
    at += legendWidths[index]!
    const dashes = dashed ? ' stroke-dasharray="6 4"' : ''
    return `<line x1="${x}" y1="${height - 28}" x2="${x + 24}" y2="${height - 28}" stroke="${colour}" stroke-width="4"${dashes}/>${text(x + 31, height - 24, 11.5, style.quiet, words)}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${escapeMarkup(style.font)}">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<desc>${escapeMarkup([description ?? summary, omission].join(' ').trim())}</desc>`,
    `<rect width="${width}" height="${height}" fill="${style.background}"/>`,
    text(margin, 40, 20, style.text, title, ' font-weight="bold"'),
    ...below.map((sentence, line) => text(margin, 64 + 24 * line, 13.5, style.quiet, sentence)),
    empty
      ? text(margin, header + 24, 14, style.text, nothing)
      : `<svg x="${(width - graphWidth) / 2}" y="${header}" width="${graphWidth}" height="${graphHeight}" viewBox="${left} ${top} ${drawnWidth} ${drawnHeight}">${inner}</svg>`,
    ...legendMarkup,
    '</svg>',
    '',
  ].join('\n')
}
