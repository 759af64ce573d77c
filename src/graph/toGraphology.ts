import { sql } from 'kysely'
import { z } from 'zod'
import { DirectedGraph, MultiDirectedGraph } from 'graphology'
import type { Scope } from '../database/scope.ts'
import { newTransaction } from '../database/transaction/inTransaction.ts'
import { InvalidInputError } from '../schema/errors.ts'
import { parseOptions } from '../schema/parse.ts'
import type { EdgeFrame, EdgeRow } from './edgeFrame.ts'
import { streamThroughCursor, streamWherePossible } from './streamRows.ts'
import type { VertexFrame, VertexRow } from './vertexFrame.ts'

export interface ToGraphologyOptions<Multi extends boolean = boolean> {
  /**
   * Reads through a cursor on the scope's connection, in one transaction (the scope's own, or a new
   * one with one snapshot). It then needs constant memory in addition to the graph, on any dialect.
   * Without a scope the rows are streamed only if the frame's own Kysely can, and otherwise read
   * at once.
   */
  scope?: Scope
  /**
   * Two rows with the same ends are two edges, in a `MultiDirectedGraph`. Default: they are
   * refused.
   */
  multi?: Multi
  /** Aborts before the next rows. */
  signal?: AbortSignal
}

export interface WithVertices<Vertex extends VertexRow> {
  scope: Scope
  /**
   * A query with one row for each vertex, whose columns become the vertex's attributes. Rows of
   * vertices without an edge are left out.
   */
  vertices: VertexFrame<Vertex>
}

/** The attributes of a frame's edges. */
export type EdgeAttributes<Row extends EdgeRow> = Omit<Row, 'src' | 'dst'>

/**
 * The graph of a frame; with `multi` one that allows several edges between the same two vertices.
 */
export type FrameGraph<Vertex extends object, Edge extends object, Multi extends boolean> = Multi extends true
  ? MultiDirectedGraph<Vertex, Edge>
  : DirectedGraph<Vertex, Edge>

const graphologyOptions = z.strictObject({
  scope: z.custom<Scope>((scope) => typeof scope === 'object' && scope !== null, 'must be a scope').optional(),
  vertices: z
    .custom<object>((frame) => typeof frame === 'object' && frame !== null && 'toOperationNode' in frame, 'must be a query')
    .optional(),
  multi: z.boolean().optional(),
  signal: z.instanceof(AbortSignal).optional(),
})

/**
 * Executes an edge frame and returns it as a graphology graph. Each id becomes a vertex with the id
 * as its key, each row an edge with the other columns as typed attributes. All of graphology works
 * on it, and so do `criticality`, `singlePointsOfFailure`, `stronglyConnectedComponents`,
 * `communities` and `layers`.
 *
 * With a `scope` the rows stream through a cursor: in addition to the graph, at most 2,000 rows are
 * in memory, on every dialect. The statement is planned for all its rows, but PostgreSQL uses no
 * parallel workers for a cursor. With `vertices` a second statement reads the attributes of the
 * vertices.
 *
 * @throws InvalidInputError if two rows have the same ends, as with several relations in a topology
 * (narrow the frame to one relation, or set `multi`); if `vertices` has no row for a vertex, or
 * two. The signal's reason if it was aborted. No cursor and no transaction stays open.
 * @example
 * const graph = await toGraphology(callsDuring(scope, { range: last('1 hour') }), { scope, vertices: resourceNames(scope) })
 * graph.forEachEdge((edge, { weight }, src, dst, { urn: caller }, { urn: callee }) => console.log(caller, callee, weight))
 *
 * // declare "pgvantage_cursor_1" no scroll cursor for select edge.* from (select "edge".* from ...
 * //   as "edge") as edge
 * // fetch forward 2000 from "pgvantage_cursor_1"
 */
export function toGraphology<Row extends EdgeRow, Vertex extends VertexRow, Multi extends boolean = false>(
  edges: EdgeFrame<Row>,
  options: ToGraphologyOptions<Multi> & WithVertices<Vertex>,
): Promise<FrameGraph<Vertex, EdgeAttributes<Row>, Multi>>
export function toGraphology<Row extends EdgeRow, Multi extends boolean = false>(
  edges: EdgeFrame<Row>,
  options?: ToGraphologyOptions<Multi> & { vertices?: undefined },
): Promise<FrameGraph<Record<string, never>, EdgeAttributes<Row>, Multi>>
export async function toGraphology<Row extends EdgeRow, Vertex extends VertexRow>(
  edges: EdgeFrame<Row>,
  options: ToGraphologyOptions & Partial<WithVertices<Vertex>> = {},
): Promise<DirectedGraph<Vertex, EdgeAttributes<Row>>> {
  parseOptions(graphologyOptions, options)
  const { scope, vertices, multi = false, signal } = options
  const graph = multi ? new MultiDirectedGraph<Vertex, EdgeAttributes<Row>>() : new DirectedGraph<Vertex, EdgeAttributes<Row>>()
  const addEdge = ({ src, dst, ...attributes }: Row) => {
    for (const end of [src, dst]) {
      // graphology keeps neighbours in plain objects, where such a name already means something
      // else.
      if (end in Object.prototype) throw new InvalidInputError('edges', `has an end called ${end}, which graphology cannot hold`)
    }
    graph.mergeNode(src)
    graph.mergeNode(dst)
    if (!multi && graph.hasEdge(src, dst)) {
      throw new InvalidInputError(
        'edges',
        `has more than one edge from ${src} to ${dst}: narrow or aggregate the frame until there is one, or set multi: true`,
      )
    }
    graph.addEdge(src, dst, attributes)
  }
  if (scope === undefined) {
    if (vertices !== undefined) throw new InvalidInputError('scope', 'must be given with vertices, which are read on its connection')
    await streamWherePossible(edges, addEdge, signal)
    return graph
  }
  await inOneSnapshot(scope, async (inner) => {
    await streamThroughCursor(inner, sql<Row>`select edge.* from ${edges} as edge`, addEdge, signal)
    if (vertices !== undefined) await describeVertices(inner, graph, vertices, signal)
  })
  return graph
}

/** Runs in the transaction that the scope was made from, or in a new one with one snapshot. */
const inOneSnapshot = (scope: Scope, work: (inner: Scope) => Promise<void>): Promise<void> =>
  scope.db.isTransaction ? work(scope) : newTransaction(scope.db, 'isolation level repeatable read', (db) => work({ ...scope, db }))

/** Gives each vertex its row. */
async function describeVertices<Vertex extends VertexRow>(
  scope: Scope,
  graph: DirectedGraph<Vertex>,
  vertices: VertexFrame<Vertex>,
  signal: AbortSignal | undefined,
): Promise<void> {
  const wanted = sql<Vertex>`select vertex.* from ${vertices} as vertex where vertex.resource_id = any(${graph.nodes()}::int8[])`
  const described = new Set<string>()
  await streamThroughCursor(
    scope,
    wanted,
    (row) => {
      if (described.has(row.resource_id)) throw new InvalidInputError('vertices', `has more than one row for resource ${row.resource_id}`)
      described.add(row.resource_id)
      graph.replaceNodeAttributes(row.resource_id, row)
    },
    signal,
  )
  const nameless = graph.findNode((id) => !described.has(id))
  if (nameless !== undefined) {
    throw new InvalidInputError('vertices', `has no row for resource ${nameless}, which is an end of an edge`)
  }
}
