/** A graph to draw, for any renderer. Names are as given, and lines of text are not escaped. */
export interface Drawing {
  title: string
  /** A sentence below the title. */
  description?: string
  /** A sentence about what was left out, if anything was. */
  omission?: string
  /** What a screen reader says if there is no description. */
  summary: string
  /** The text instead of a graph without vertices. */
  nothing: string
  vertices: DrawnVertex[]
  edges: DrawnEdge[]
  legend: LegendEntry[]
}

/** A colour in the form of CSS and Graphviz: `#c81e1e`. */
export type Colour = `#${string}`

export interface DrawnVertex {
  name: string
  /** The text in it; its tooltip is the whole name. */
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
  /** The colour of its lines of text. */
  fontColour: Colour
  /** In points. */
  width: number
  dashed?: boolean
  /** From 1 to 10: how much shorter and straighter than other edges it should be. */
  pull: number
}

export interface LegendEntry {
  colour: Colour
  dashed?: boolean
  words: string
}

/** The names at the ends of edges, each once, in the order of their first occurrence. */
export const namesOf = (edges: readonly { src_urn: string; dst_urn: string }[]): string[] => [
  ...new Set(edges.flatMap(({ src_urn, dst_urn }) => [src_urn, dst_urn])),
]

/** What follows the last `/` or `:` of a name. */
export const lastPart = (name: string): string => name.split(/[/:]/).at(-1) || name
