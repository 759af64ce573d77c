/**
 * A value of Apache AGE's type `agtype` in TypeScript, without loss. `decodeAgtype` returns it and
 * `encodeAgtype` takes it.
 *
 * | agtype | here |
 * |---|---|
 * | null, boolean, string | null, boolean, string |
 * | integer (64 bits) | number up to 2^53 - 1 either way, bigint beyond |
 * | float | number, also the infinities, NaN and -0 |
 * | numeric | `AgtypeNumeric` |
 * | list, map | array, object |
 * | vertex, edge, path | `AgtypeVertex`, `AgtypeEdge`, `AgtypePath`; their ids are strings |
 */
export type Agtype =
  null | boolean | number | bigint | string | AgtypeNumeric | AgtypeVertex | AgtypeEdge | AgtypePath | Agtype[] | AgtypeMap

export interface AgtypeMap {
  [key: string]: Agtype
}

/**
 * A number of any length, with its digits as PostgreSQL's `numeric` writes them: `1.50::numeric` in
 * agtype.
 */
export class AgtypeNumeric {
  readonly digits: string

  constructor(digits: string) {
    this.digits = digits
  }
}

/** A vertex. `id` is AGE's own 64-bit id, not the `resource_id`. */
export class AgtypeVertex {
  readonly id: string
  readonly label: string
  readonly properties: AgtypeMap

  constructor({ id, label, properties }: { id: string; label: string; properties: AgtypeMap }) {
    this.id = id
    this.label = label
    this.properties = properties
  }
}

/** An edge from the vertex `start_id` to `end_id`. */
export class AgtypeEdge {
  readonly id: string
  readonly label: string
  readonly start_id: string
  readonly end_id: string
  readonly properties: AgtypeMap

  constructor(edge: { id: string; label: string; start_id: string; end_id: string; properties: AgtypeMap }) {
    this.id = edge.id
    this.label = edge.label
    this.start_id = edge.start_id
    this.end_id = edge.end_id
    this.properties = edge.properties
  }
}

/** A path: one more vertex than edges, in the order of the walk. */
export class AgtypePath {
  readonly vertices: readonly AgtypeVertex[]
  readonly edges: readonly AgtypeEdge[]

  constructor(vertices: readonly AgtypeVertex[], edges: readonly AgtypeEdge[]) {
    this.vertices = vertices
    this.edges = edges
  }
}
