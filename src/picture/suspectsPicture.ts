import { z } from 'zod'
import { parseOptions } from '../schema/parse.ts'
import { callDrawing, callEdges, type CallEdge } from './callDrawing.ts'
import { lastPart, type Drawing, type DrawnVertex } from './drawing.ts'
import { drawnSvg } from './drawnSvg.ts'
import { evidenceText, mostOfEachKind, type DrawnEvidence } from './evidenceText.ts'
import { shortened } from './markup.ts'
import { anyNumber, drawnLimit, pictureTitle, vertexName } from './pictureFields.ts'
import { style } from './style.ts'

/** A suspect to draw: a row of `rankSuspects`. */
export interface DrawnSuspect {
  urn: string
  /** 0..1. */
  score: number
  /** Names from the service to the suspect. */
  path: readonly string[]
  evidence: readonly DrawnEvidence[]
}

export interface SuspectsPictureOptions {
  title: string
  /** A sentence below the title. Screen readers read it as the picture's description. */
  description?: string
  /** The most likely first. */
  suspects: readonly DrawnSuspect[]
  /** Name of the service that has the trouble. */
  service?: string
  /** Calls to draw. Steps of a path that are not among them are drawn dashed. Default: none. */
  edges?: readonly CallEdge[]
  /** The text in a vertex. Default: what follows the last `/` or `:` of its name. */
  nameOf?: (name: string) => string
  /**
   * The most calls to draw: first those on a path, then those of suspects and of the service, then
   * the busiest. Default: 200.
   */
  limit?: number
}

/**
 * The suspects of a service's trouble as an SVG, in the call graph around it: each with its rank,
 * its score and of each kind of evidence what tells most, and the path to it in bold.
 *
 * | | |
 * |---|---|
 * | no `edges` | the paths alone |
 * | no paths either (logs or metrics without a call graph) | a list of suspects |
 * | a score below 0.05 | is not marked |
 * | all else | as in `graphPicture` |
 *
 * @throws MissingCapabilityError if the package `@viz-js/viz` is not installed.
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * const service = 'urn:k8s:svc:shop/frontend'
 * const suspects = await topK(scope, rankSuspects(scope, { service, range, baseline }), 3).execute()
 * const svg = await suspectsPicture({ title: 'Who is behind it', service, suspects })
 */
export async function suspectsPicture(options: SuspectsPictureOptions): Promise<string> {
  return drawnSvg(suspectsDrawing(options), 'suspectsPicture')
}

const text = z.string()
const evidence = z.object({
  kind: z.enum(['call', 'metric', 'pattern', 'shape', 'silence']),
  measure: text,
  expected: anyNumber,
  actual: anyNumber,
  unit: text.nullable(),
  src_urn: text.nullable(),
  dst_urn: text.nullable(),
  pattern: text.nullable(),
})

const suspectsPictureOptions = z.strictObject({
  ...pictureTitle,
  suspects: z.array(z.object({ urn: text, score: anyNumber, path: z.array(text), evidence: z.array(evidence) })),
  service: text.optional(),
  edges: callEdges.default([]),
  nameOf: vertexName.optional(),
  limit: drawnLimit.optional(),
})

function suspectsDrawing(options: SuspectsPictureOptions): Drawing {
  const { suspects, service, edges, nameOf = lastPart, ...given } = parseOptions(suspectsPictureOptions, options)
  const marked = suspects.filter(({ score }) => score >= 0.05)
  const paths = marked.map(({ path }) => path)
  const known = new Set(edges.map(({ src_urn, dst_urn }) => pairOf(src_urn, dst_urn)))
  const steps = new Map(
    paths.flatMap((path) => path.slice(1).map((dst_urn, at) => [pairOf(path[at]!, dst_urn), { src_urn: path[at]!, dst_urn }] as const)),
  )
  const unmeasured = [...steps].filter(([pair, step]) => !known.has(pair) && !known.has(pairOf(step.dst_urn, step.src_urn)))
  const symptoms = service === undefined ? [] : [service]
  const drawing = callDrawing({ ...given, edges: [...edges, ...unmeasured.map(([, step]) => step)], paths, symptoms, nameOf })
  const dashed = new Set(unmeasured.map(([pair]) => pair))
  const ranks = new Map(marked.map((suspect, at) => [suspect.urn, { ...suspect, rank: at + 1 }]))
  const drawn = new Set(drawing.vertices.map(({ name }) => name))
  const plain = (name: string): DrawnVertex => ({ name, lines: [shortened(nameOf(name), 28)], ...style.vertex, width: 1.2 })
  // Graphviz draws vertices without edges from the bottom up.
  const alone = [...ranks.keys()].filter((name) => !drawn.has(name)).toReversed()
  return {
    ...drawing,
    summary: marked.length === 0 ? 'No suspects.' : `Suspects: ${marked.map(({ urn }) => nameOf(urn)).join(', ')}.`,
    nothing: 'There are no suspects and no calls to draw.',
    vertices: [...drawing.vertices, ...alone.map(plain)].map((vertex) => {
      const suspect = ranks.get(vertex.name)
      if (suspect === undefined) return vertex
      const { rank, score, evidence } = suspect
      const lines = mostOfEachKind(evidence).map((piece) => {
        const pattern = piece.pattern === null ? null : shortened(piece.pattern, 24)
        return shortened(
          evidenceText({ ...piece, pattern }, (name) => shortened(nameOf(name), 28)),
          72,
        )
      })
      const also = vertex.name === service ? ' (symptom)' : ''
      const name = `${rank}. ${shortened(nameOf(vertex.name), 28)}, score ${score.toFixed(2)}${also}`
      return { ...vertex, ...style.suspect, lines: [name, ...lines], width: rank === 1 ? 3.2 : 1.8 }
    }),
    edges: drawing.edges.map((edge) => ({ ...edge, dashed: dashed.has(pairOf(edge.src_urn, edge.dst_urn)) })),
    legend: edges.length === 0 ? [] : drawing.legend,
  }
}

/** A pair of names as a key that no other pair has. */
const pairOf = (src: string, dst: string): string => JSON.stringify([src, dst])
