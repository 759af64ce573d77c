/**
 * A graph as it is to be drawn, whatever draws it: names are as they came, lines of text are not
 * escaped.
 */
export interface Drawing {
  title: string
  /** A sentence below the title. */
  description?: string
  /** A sentence on what was left out, if anything was. */
  omission?: string
  /** What a screen reader says when there is no description. */
  summary: string
  /** What is said in the place of a graph without edges. */
  nothing: string
  vertices: DrawnVertex[]
  edges: DrawnEdge[]
  legend: LegendEntry[]
}

/** As CSS and Graphviz both write it: `#c81e1e`. */
export type Colour = `#${string}`

export interface DrawnVertex {
  name: string
  /** What is written into it; the whole name is its tooltip. */
  lines: string[]
  fill: Colour
  line: Colour
  /** In points. */
  width: number
  dashed?: boolean
}

export interface DrawnEdge {
  src_urn: string
  dst_urn: string
  lines: string[]
  colour: Colour
  /** Of its lines of text. */
  fontColour: Colour
  /** In points. */
  width: number
  dashed?: boolean
  /** From 1 to 10: how much shorter and straighter than others it should be. */
  pull: number
}

export interface LegendEntry {
  colour: Colour
  dashed?: boolean
  words: string
}

/** The names at the ends of edges, each once, in the order in which they occur. */
export const namesOf = (edges: readonly { src_urn: string; dst_urn: string }[]): string[] => [
  ...new Set(edges.flatMap(({ src_urn, dst_urn }) => [src_urn, dst_urn])),
]

/** What follows the last `/` or `:` of a name. */
export const lastPart = (name: string): string => name.split(/[/:]/).at(-1) || name
