import type { Graph } from '@viz-js/viz'
import { amount, latency, percent } from './amount.ts'
import { callState, type CallMeasures } from './callState.ts'
import { escapeMarkup, printable, shortened } from './markup.ts'
import { optionalPackage } from './optionalPackage.ts'
import { style } from './style.ts'

/** One call between two names, as `activeCalls` or `callsDuring` give it once the ids are replaced by names. */
export interface CallEdge extends CallMeasures {
  /** Name of the caller: a URN, or whatever tells the vertices apart. */
  src: string
  dst: string
  /** Calls per second, the edge's thickness; `rps` goes before `weight`. */
  rps?: number | null
  weight?: number | null
}

export interface GraphPictureOptions {
  title: string
  /** A sentence below the title, which screen readers read as the picture's description. */
  description?: string
  edges: readonly CallEdge[]
  /** Names of what is thought to be behind it. */
  suspects?: readonly string[]
  /** Names of where it hurts. */
  symptoms?: readonly string[]
  /** What is written into a vertex. Default: what follows the last `/` or `:` of its name. */
  nameOf?: (name: string) => string
}

/**
 * The call graph as an SVG: callers left of callees; thickness is traffic; colour is how far a call is from normal (see `callState`); suspects and
 * symptoms are marked, by colour and in words. Laid out by Graphviz.
 *
 * The SVG stands alone: no script, no font or style from outside. Names are data: whatever they hold is shown, long ones shortened, the whole name
 * being the vertex's tooltip. Calls of one pair given twice are drawn twice; a graph without edges is a picture that says so.
 *
 * @throws MissingCapabilityError when the package `@viz-js/viz` is not installed.
 * @example
 * const svg = await graphPicture({
 *   title: 'Who calls whom, 10:20 to 10:30',
 *   edges: [{ src: 'checkout', dst: 'payment', rps: 12.3, err_rate: 0.12, p95_ms: 840, normal_p95_ms: 45 }],
 *   suspects: ['payment'],
 * })
 */
export async function graphPicture(options: GraphPictureOptions): Promise<string> {
  const { instance } = await optionalPackage('@viz-js/viz', 'graphPicture', () => import('@viz-js/viz'))
  const viz = await instance()
  const drawn = viz.renderString(layoutOf(options), { format: 'svg', yInvert: false })
  return framed(options, drawn)
}

/** The graph in Graphviz' terms. */
function layoutOf({ edges, suspects = [], symptoms = [], nameOf = lastPart }: GraphPictureOptions): Graph {
  const names = [...new Set(edges.flatMap(({ src, dst }) => [src, dst]))]
  const busiest = Math.max(...edges.map(traffic), 0)
  return {
    directed: true,
    graphAttributes: { rankdir: 'LR', bgcolor: 'transparent', nodesep: 0.45, ranksep: 0.55, pad: 0.1, fontname: 'Helvetica' },
    nodeAttributes: {
      shape: 'box',
      style: 'filled,rounded',
      fontname: 'Helvetica',
      fontsize: 14,
      fontcolor: style.text,
      margin: '0.22,0.13',
      fillcolor: '#f6f8fa',
      color: '#aab4bf',
      penwidth: 1.2,
    },
    edgeAttributes: { fontname: 'Helvetica', fontsize: 11.5, arrowsize: 0.7, arrowhead: 'normal' },
    nodes: names.map((name) => {
      const marks = [...(suspects.includes(name) ? ['suspect'] : []), ...(symptoms.includes(name) ? ['symptom'] : [])]
      const colours = suspects.includes(name) ? style.suspect : symptoms.includes(name) ? style.symptom : undefined
      const label = [shortened(nameOf(name), 28), ...(marks.length > 0 ? [`(${marks.join(', ')})`] : [])]
      return {
        name: printable(name),
        attributes: {
          label: label.map(plainLabel).join('\n'),
          ...(colours && { fillcolor: colours.fill, color: colours.line, penwidth: 2.4 }),
        },
      }
    }),
    edges: edges.map((edge) => {
      const state = callState(edge)
      return {
        tail: printable(edge.src),
        head: printable(edge.dst),
        attributes: {
          // The last line is empty, so that a thick line stays clear of the words above it.
          label: [...labelOf(edge).map(plainLabel), ''].map((line) => ` ${line} `).join('\n'),
          color: style[state],
          fontcolor: state === 'calm' ? style.quiet : style[state],
          // Area grows with traffic as the eye expects it when thickness grows with the root.
          penwidth: 1 + 5 * Math.sqrt(busiest > 0 ? traffic(edge) / busiest : 0),
          weight: 1 + Math.round(9 * (busiest > 0 ? traffic(edge) / busiest : 0)),
        },
      }
    }),
  }
}

const traffic = ({ rps, weight }: CallEdge): number => Math.max(0, rps ?? weight ?? 0)

/** Two short lines: rate and latency, then what is wrong with them. */
function labelOf(edge: CallEdge): string[] {
  const { p95_ms, normal_p95_ms, err_rate } = edge
  const rate = edge.rps ?? edge.weight
  const slower = p95_ms && normal_p95_ms && p95_ms / normal_p95_ms >= 2 ? ` (${amount(p95_ms / normal_p95_ms)}×)` : ''
  return [
    typeof rate === 'number' ? `${amount(rate)}/s` : '',
    typeof p95_ms === 'number' ? `p95 ${latency(p95_ms)}${slower}` : '',
    err_rate ? `err ${percent(err_rate)}` : '',
  ].filter((line) => line !== '')
}

const lastPart = (name: string): string => name.split(/[/:]/).at(-1) || name

/** Graphviz reads backslashes and character entities in labels: here they are text. */
const plainLabel = (text: string): string => printable(text).replaceAll('\\', '\\\\').replaceAll('&', '&amp;').replaceAll(/\s+/g, ' ')

const margin = 28

/** Title, description and legend around Graphviz' drawing. */
function framed({ title, description, edges }: GraphPictureOptions, drawn: string): string {
  const [, left = '0', top = '0', drawnWidth = '0', drawnHeight = '0'] = /viewBox="([-\d.]+) ([-\d.]+) ([\d.]+) ([\d.]+)"/.exec(drawn) ?? []
  const inner = drawn
    .slice(drawn.indexOf('<g '), drawn.lastIndexOf('</svg>'))
    // Ids would meet those of another picture on the same page.
    .replaceAll(/ id="(?:graph|node|edge|a_node|a_edge)\d+"/g, '')
    // The graph's own title would be the tooltip of everything that has none.
    .replace(/<title>[^<]*<\/title>/, '')
    .replaceAll('font-family="Helvetica,sans-Serif"', `font-family="${escapeMarkup(style.font)}"`)
  const empty = edges.length === 0
  const [graphWidth, graphHeight] = empty ? [0, 40] : [Number(drawnWidth), Number(drawnHeight)]
  const width = Math.ceil(Math.max(graphWidth, 640) + 2 * margin)
  const header = description === undefined ? 62 : 86
  const height = Math.ceil(header + graphHeight + 64)
  const text = (x: number, y: number, size: number, colour: string, content: string, more = '') =>
    `<text x="${x}" y="${y}" font-size="${size}" fill="${colour}"${more}>${escapeMarkup(content)}</text>`
  const legend = [
    { colour: style.calm, words: 'normal' },
    { colour: style.warning, words: 'errors from 1 % or p95 from 2× normal' },
    { colour: style.critical, words: 'errors from 5 % or p95 from 4× normal' },
  ]
  let at = margin
  const legendMarkup = legend.map(({ colour, words }) => {
    const x = at
    at += 44 + words.length * 5.6
    return `<line x1="${x}" y1="${height - 28}" x2="${x + 24}" y2="${height - 28}" stroke="${colour}" stroke-width="4"/>${text(x + 31, height - 24, 11.5, style.quiet, words)}`
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" role="img" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="${escapeMarkup(style.font)}">`,
    `<title>${escapeMarkup(title)}</title>`,
    `<desc>${escapeMarkup(description ?? `A call graph of ${edges.length} calls.`)}</desc>`,
    `<rect width="${width}" height="${height}" fill="${style.background}"/>`,
    text(margin, 40, 20, style.text, title, ' font-weight="bold"'),
    description === undefined ? '' : text(margin, 64, 13.5, style.quiet, description),
    empty
      ? text(margin, header + 24, 14, style.text, 'There are no calls to draw.')
      : `<svg x="${(width - graphWidth) / 2}" y="${header}" width="${graphWidth}" height="${graphHeight}" viewBox="${left} ${top} ${drawnWidth} ${drawnHeight}">${inner}</svg>`,
    ...legendMarkup,
    '</svg>',
    '',
  ].join('\n')
}
