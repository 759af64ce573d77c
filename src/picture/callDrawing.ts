import { z } from 'zod'
import { parseOptions } from '../schema/parse.ts'
import { amount, latency, percent } from './amount.ts'
import { callState, type CallMeasures } from './callState.ts'
import { lastPart, namesOf, type Drawing, type DrawnEdge, type DrawnVertex } from './drawing.ts'
import { shortened } from './markup.ts'
import { mostTelling } from './mostTelling.ts'
import { anyNumber, drawnLimit, edgeEnds, pictureTitle, readableEdges, vertexName } from './pictureFields.ts'
import { style } from './style.ts'

/** A call between two names: a row of `activeCalls` or `callsDuring` with names instead of ids. */
export interface CallEdge extends CallMeasures {
  /** Name of the caller: a URN, or any other unique name. */
  src_urn: string
  dst_urn: string
  /** Calls per second, the edge's thickness. If there is no `rps`, `weight` is used. */
  rps?: number | null
  weight?: number | null
}

export interface GraphPictureOptions {
  title: string
  /** A sentence below the title. Screen readers read it as the picture's description. */
  description?: string
  edges: readonly CallEdge[]
  /** Names of the likely causes. */
  suspects?: readonly string[]
  /** Names of the vertices that have the trouble. */
  symptoms?: readonly string[]
  /**
   * Paths from a symptom to a suspect, each a list of names. Calls between neighbours on a path, in
   * either direction, are drawn bold in one colour.
   */
  paths?: readonly (readonly string[])[]
  /** The text in a vertex. Default: what follows the last `/` or `:` of its name. */
  nameOf?: (name: string) => string
  /**
   * The most calls to draw: first those on a path, then those of suspects and symptoms, then the
   * busiest. A note below the title says what was left out. Default: 200 in pictures and in
   * Mermaid, because more can neither be read nor laid out in time; `Infinity` in DOT.
   */
  limit?: number
}

const measure = anyNumber.nullish()
const names = z.array(z.string())

/** The calls of a picture's options. */
export const callEdges = z.array(
  z.object({
    ...edgeEnds,
    rps: measure,
    weight: measure,
    err_rate: measure,
    p95_ms: measure,
    normal_err_rate: measure,
    normal_p95_ms: measure,
  }),
)

const graphPictureOptions = z.strictObject({
  ...pictureTitle,
  edges: callEdges,
  suspects: names.default([]),
  symptoms: names.default([]),
  paths: z.array(names).default([]),
  nameOf: vertexName.optional(),
  limit: drawnLimit.optional(),
})

/**
 * A call graph. Thickness is traffic, colour is the distance from normal; suspects, symptoms and
 * paths are marked.
 *
 * @param limitUnlessGiven the number of calls to draw by default.
 * @throws InvalidInputError naming the field that is wrong.
 */
export function callDrawing(options: GraphPictureOptions, limitUnlessGiven = readableEdges): Drawing {
  const {
    title,
    description,
    edges: given,
    suspects,
    symptoms,
    paths,
    nameOf = lastPart,
    limit = limitUnlessGiven,
  } = parseOptions(graphPictureOptions, options)
  const marked = { suspect: new Set(suspects), symptom: new Set(symptoms) }
  const onPath = pathTest(paths)
  const isMarked = ({ src_urn, dst_urn }: CallEdge) =>
    [src_urn, dst_urn].some((name) => marked.suspect.has(name) || marked.symptom.has(name))
  const { edges, omission } = mostTelling(given, {
    limit,
    rank: (edge) => (onPath(edge) ? 2 : isMarked(edge) ? 1 : 0),
    traffic,
    what: 'calls: marked ones first, then the busiest',
  })
  const busiest = edges.reduce((most, edge) => Math.max(most, traffic(edge)), 0)
  return {
    title,
    description,
    omission,
    summary: `A call graph of ${edges.length} calls.`,
    nothing: 'There are no calls to draw.',
    vertices: namesOf(edges).map((name): DrawnVertex => {
      const marks = (['suspect', 'symptom'] as const).filter((mark) => marked[mark].has(name))
      const colours = marks[0] === undefined ? style.vertex : style[marks[0]]
      const lines = [shortened(nameOf(name), 28), ...(marks.length > 0 ? [`(${marks.join(', ')})`] : [])]
      return { name, lines, ...colours, width: marks.length > 0 ? 2.4 : 1.2 }
    }),
    edges: edges.map((edge): DrawnEdge => {
      const state = callState(edge)
      const share = busiest > 0 ? traffic(edge) / busiest : 0
      // The square root: readers perceive traffic by the area of the line.
      const width = 1 + 5 * Math.sqrt(share)
      return {
        src_urn: edge.src_urn,
        dst_urn: edge.dst_urn,
        lines: labelOf(edge),
        colour: onPath(edge) ? style.path : style[state],
        fontColour: state === 'calm' ? style.quiet : style[state],
        width: onPath(edge) ? Math.max(width, 4) : width,
        pull: 1 + Math.round(9 * share),
      }
    }),
    legend: [
      { colour: style.calm, words: 'normal' },
      { colour: style.warning, words: 'errors from 1 % or p95 from 2× normal' },
      { colour: style.critical, words: 'errors from 5 % or p95 from 4× normal' },
      ...(edges.some(onPath) ? [{ colour: style.path, words: 'on the way from symptom to suspect' }] : []),
    ],
  }
}

const traffic = ({ rps, weight }: CallEdge): number => Math.max(0, rps ?? weight ?? 0)

/** Whether an edge joins two neighbours on one of the paths. */
function pathTest(paths: readonly (readonly string[])[]): (edge: CallEdge) => boolean {
  const next = new Map<string, Set<string>>()
  const join = (from: string, to: string) => next.set(from, (next.get(from) ?? new Set()).add(to))
  for (const path of paths) {
    path.slice(1).forEach((name, index) => {
      join(path[index]!, name)
      join(name, path[index]!)
    })
  }
  return ({ src_urn, dst_urn }) => next.get(src_urn)?.has(dst_urn) ?? false
}

/** Two short lines: rate and latency, then what is abnormal about them. */
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
