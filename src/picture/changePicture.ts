import { z } from 'zod'
import { parseOptions } from '../schema/parse.ts'
import { lastPart, namesOf, type Colour, type Drawing, type DrawnEdge, type DrawnVertex } from './drawing.ts'
import { drawnSvg } from './drawnSvg.ts'
import { shortened } from './markup.ts'
import { mostTelling } from './mostTelling.ts'
import { anyNumber, drawnLimit, edgeEnds, pictureTitle, readableEdges, vertexName } from './pictureFields.ts'
import { style } from './style.ts'

const kinds = ['appeared', 'vanished', 'changed', 'unchanged'] as const

export type ChangeKind = (typeof kinds)[number]

/** A dependency between two names, and its change from one time to another. */
export interface ChangedEdge {
  /** Name of the dependent end: a URN, or any other unique name. */
  src_urn: string
  dst_urn: string
  kind: ChangeKind
  /** The relation of the ends: `calls`, `runs_on`, ... It is the default of `label`. */
  relation?: string | null
  /** A few words at the edge, such as what changed. Default: `relation`; null for no words. */
  label?: string | null
  /**
   * With a limit, edges of the same kind are drawn in the order of their weights, the heaviest
   * first.
   */
  weight?: number | null
}

export interface ChangePictureOptions {
  title: string
  /** A sentence below the title. Screen readers read it as the picture's description. */
  description?: string
  edges: readonly ChangedEdge[]
  /** Names of vertices that are new; they are marked. */
  appeared?: readonly string[]
  /** Names of vertices that are gone; they are marked. */
  vanished?: readonly string[]
  /** The text in a vertex. Default: what follows the last `/` or `:` of its name. */
  nameOf?: (name: string) => string
  /**
   * The most edges to draw: the changes first, then unchanged edges beside them. A note below the
   * title says what was left out. Default 200.
   */
  limit?: number
}

/**
 * Draws how dependencies changed from one time to another, as an SVG, laid out by Graphviz. New
 * edges are blue and bold, vanished ones orange and dashed, changed ones purple, all others grey
 * and thin. Each change is also named in words.
 *
 * `edges` takes the rows of `compareTopology` unchanged; other columns of a row are ignored.
 *
 * The colours can be distinguished with every common colour blindness, and line style and words
 * repeat what a colour says. The legend counts each kind. As in `graphPicture`, the SVG is
 * standalone and can show any name.
 *
 * @throws MissingCapabilityError if the package `@viz-js/viz` is not installed.
 * @throws InvalidInputError naming the option that is unknown or wrong.
 * @example
 * const rows = await compareTopology(scope, { before: weekAgo, after: now, withUnchanged: true }).execute()
 * const svg = await changePicture({
 *   title: 'What changed since last week',
 *   edges: rows,
 *   appeared: ['urn:k8s:svc:shop/fraud'],
 * })
 */
export async function changePicture(options: ChangePictureOptions): Promise<string> {
  return drawnSvg(changeDrawing(options), 'changePicture')
}

const looks: Record<ChangeKind, { colour: Colour; fontColour: Colour; width: number; dashed: boolean; word: string }> = {
  appeared: { colour: style.appeared, fontColour: style.appeared, width: 3.2, dashed: false, word: 'new' },
  vanished: { colour: style.vanished, fontColour: style.vanished, width: 2.6, dashed: true, word: 'gone' },
  changed: { colour: style.changed, fontColour: style.changed, width: 2.6, dashed: false, word: 'changed' },
  unchanged: { colour: style.unchanged, fontColour: style.quiet, width: 1.3, dashed: false, word: 'unchanged' },
}

const changePictureOptions = z.strictObject({
  ...pictureTitle,
  edges: z.array(
    z.object({
      ...edgeEnds,
      kind: z.enum(kinds),
      relation: z.string().nullish(),
      label: z.string().nullish(),
      weight: anyNumber.nullish(),
    }),
  ),
  appeared: z.array(z.string()).default([]),
  vanished: z.array(z.string()).default([]),
  nameOf: vertexName.optional(),
  limit: drawnLimit.default(readableEdges),
})

function changeDrawing(options: ChangePictureOptions): Drawing {
  const { title, description, edges: given, appeared, vanished, nameOf = lastPart, limit } = parseOptions(changePictureOptions, options)
  const touched = new Set(namesOf(given.filter(({ kind }) => kind !== 'unchanged')))
  const { edges, omission } = mostTelling(given, {
    limit,
    rank: ({ src_urn, dst_urn, kind }) => (kind !== 'unchanged' ? 2 : touched.has(src_urn) || touched.has(dst_urn) ? 1 : 0),
    traffic: ({ weight }) => weight ?? 0,
    what: 'dependencies: the changes, then edges beside them',
  })
  const counts = Map.groupBy(given, ({ kind }) => kind)
  const marked = { appeared: new Set(appeared), vanished: new Set(vanished) }
  return {
    title,
    description,
    omission,
    summary: `${kinds.map((kind) => `${counts.get(kind)?.length ?? 0} ${looks[kind].word}`).join(', ')}.`,
    nothing: 'There are no dependencies to draw.',
    vertices: namesOf(edges).map((name): DrawnVertex => {
      const mark = (['appeared', 'vanished'] as const).find((kind) => marked[kind].has(name))
      const lines = [shortened(nameOf(name), 28)]
      if (mark === undefined) return { name, lines, ...style.vertex, width: 1.2 }
      const { colour, dashed, word } = looks[mark]
      return { name, lines: [...lines, `(${word})`], fill: style.vertex.fill, line: colour, width: 2.4, dashed }
    }),
    edges: edges.map(({ src_urn, dst_urn, kind, relation, label = relation }): DrawnEdge => {
      const { colour, fontColour, width, dashed, word } = looks[kind]
      const lines = [...(kind === 'unchanged' ? [] : [word]), ...(label ? [shortened(label, 32)] : [])]
      return { src_urn, dst_urn, lines, colour, fontColour, width, dashed, pull: kind === 'unchanged' ? 2 : 1 }
    }),
    legend: kinds.map((kind) => {
      const { colour, dashed, word } = looks[kind]
      return { colour, dashed, words: `${word} (${counts.get(kind)?.length ?? 0})` }
    }),
  }
}
