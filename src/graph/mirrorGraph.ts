import { sql, type Kysely } from 'kysely'
import { z } from 'zod'
import { quoteIdentifier } from '../database/sql/identifier.ts'
import { explainAgeCache } from '../database/explainAgeCache.ts'
import { assertReadCommitted } from '../database/transaction/isolation.ts'
import { inTransaction } from '../database/transaction/inTransaction.ts'
import { pinnedButForNames } from '../database/transaction/settings.ts'
import { requireExtension, type Scope } from '../database/scope.ts'
import { InvalidInputError, NotFoundError } from '../schema/errors.ts'
import { parseOptions, preview } from '../schema/parse.ts'
import type { EdgeFrame, EdgeRow } from './edgeFrame.ts'
import { explainFrameColumn, frameColumns } from './frameColumns.ts'

export interface MirrorGraphOptions<Row extends EdgeRow> {
  /**
   * The columns that become properties of the edge, with their types; nulls are left out. At most
   * 45. A timestamp should be text in UTC.
   */
  attributes: readonly (keyof Row & string)[]
  /** Attributes that keep their smallest (for times: earliest) value as long as the edge exists. */
  keepEarliest?: readonly (keyof Row & string)[]
  /** The label of the edges. Default `CALLS`. Edges with other labels stay unchanged. */
  label?: string
  /**
   * Aborts before the next statement or the commit. The work is rolled back, unless the transaction
   * is the caller's.
   */
  signal?: AbortSignal
}

export interface MirrorCounts {
  vertices: ChangeCounts
  edges: ChangeCounts
}

export interface ChangeCounts {
  added: number
  changed: number
  removed: number
}

const mirrorOptions = z.strictObject({
  attributes: frameColumns,
  keepEarliest: frameColumns.default([]),
  label: z
    .string()
    .regex(/^[A-Za-z][A-Za-z0-9_]{0,47}$/, 'must begin with a letter and hold at most 48 letters, digits and underscores')
    .refine((label) => label !== 'Resource', 'must not be Resource, the label of the vertices')
    .default('CALLS'),
  signal: z.instanceof(AbortSignal).optional(),
})

/**
 * Makes the tenant's AGE graph equal to a frame: under one label it then has exactly the frame's
 * edges, with the resources at their ends as vertices
 * `(:Resource {tenant_id, resource_id, urn, type, name})`. Returns what changed.
 *
 * - One statement locks the graph and creates what is missing of it, a second one writes. Readers
 *   see the graph before or after, never in between.
 * - Only differences are written: a second run changes nothing. Two runs at once wait for each
 *   other; other tenants' graphs are neither changed nor waited for.
 * - The mirror owns the vertices and edges of these labels and removes what anyone else added to
 *   them. A vertex is removed if no edge of any label needs it.
 * - It runs in its own transaction, or in the one the scope was made from.
 *
 * @throws MissingCapabilityError without Apache AGE.
 * @throws InvalidInputError if the frame has an edge twice, or an end that is not a resource of the
 * tenant; if the label is the name of something else in the graph, such as an index; if the scope
 * was made from a REPEATABLE READ or SERIALIZABLE transaction, which would not see what another
 * mirror has written. Nothing is written then. The signal's reason if it was aborted.
 * @throws NotFoundError if the tenant was deleted after the scope was made; its graph is not
 * created again.
 * @example
 * await mirrorGraph(scope, topologyAt(scope, { at, relation: 'runs_on' }), { label: 'RUNS_ON', attributes: ['relation'] })
 * // { vertices: { added: 12, changed: 0, removed: 0 }, edges: { added: 20, changed: 0, removed: 0
 * //   } }
 *
 * // select "public"."graph_prepare"($1, $2);
 * // with given as materialized (...), ..., edge as materialized (
 * //   select ... from (select ..., ag_catalog.agtype_build_map_nonull($3::text, edge."relation")
 * //     as properties from given as edge) as wanted
 * //   full join "ops_1"."RUNS_ON" as old on ... where wanted.start_id is null or old.id is null or
 * //     record_image_ne(...)
 * // ), ... insert into "ops_1"."RUNS_ON" (start_id, end_id, properties) select ... from edge where
 * //   old_id is null ...
 */
export async function mirrorGraph<Row extends EdgeRow>(
  scope: Scope,
  edges: EdgeFrame<Row>,
  options: MirrorGraphOptions<Row>,
): Promise<MirrorCounts> {
  requireExtension(scope, 'age', 'mirrorGraph', 'reach, impact and toGraphology work on the edge frame itself')
  const { attributes, keepEarliest, label, signal } = parseOptions(mirrorOptions, options)
  // Compiling this many expressions takes longer than running them (3 s of 8 on 37,000 edges).
  // Without statistics the planner would choose a merge join by only one of an edge's two ends.
  const settings = { ...pinnedButForNames, jit: 'off', enable_mergejoin: 'off' }
  const mirror = async (db: Kysely<{}>): Promise<MirrorCounts> => {
    signal?.throwIfAborted()
    const inner = { ...scope, db }
    // A separate statement, so that the next one sees what the previous holder of the lock
    // committed.
    await sql`select ${inner.id('graph_prepare')}(${inner.graphName}, ${label})`.execute(inner.db).catch((error: unknown) => {
      if (!isNoLabel(error)) throw explainAgeCache(error)
      throw new InvalidInputError('label', `${error.message}: choose another label, got ${preview(label)}`, { cause: error })
    })
    signal?.throwIfAborted()
    const { rows } = await mirrorStatement(inner, edges, { attributes, keepEarliest, label })
      .execute(inner.db)
      .catch((error: unknown) => {
        throw explainFrameColumn(error, 'attributes')
      })
    const row = rows[0]!
    if (!row.tenant_known) throw new NotFoundError(`tenant ${preview(inner.tenantCode)} was deleted after its scope was made`)
    if (row.stranger !== null) {
      throw new InvalidInputError('edges', `has an end that is not a resource of tenant ${inner.tenantCode}: ${row.stranger}`)
    }
    if (row.repeated !== null) {
      throw new InvalidInputError('edges', `has more than one edge ${row.repeated}: narrow or aggregate the frame until there is one`)
    }
    signal?.throwIfAborted()
    // Without statistics each step of a walk would read the whole graph. Only the owner of the graph
    // gets them at once: for another role this is a warning, and they come with autovacuum.
    if (row.edges_added >= many)
      await sql`analyze ${sql.id(inner.graphName, 'Resource')}, ${sql.id(inner.graphName, label)}`.execute(inner.db)
    signal?.throwIfAborted()
    return {
      vertices: { added: row.vertices_added, changed: row.vertices_changed, removed: row.vertices_removed },
      edges: { added: row.edges_added, changed: row.edges_changed, removed: row.edges_removed },
    }
  }
  await assertReadCommitted(scope.db, 'mirrorGraph')
  return inTransaction(scope.db, mirror, settings)
}

/** The number of new edges after which a graph gets new statistics. */
const many = 1_000

/** The error of graph_prepare for a name that cannot be a label. */
const isNoLabel = (error: unknown): error is Error => error instanceof Error && 'code' in error && error.code === '42809'

interface MirrorRow {
  tenant_known: boolean
  stranger: string | null
  repeated: string | null
  vertices_added: number
  vertices_changed: number
  vertices_removed: number
  edges_added: number
  edges_changed: number
  edges_removed: number
}

/**
 * One join finds the differences between frame and graph for the vertices, another for the edges;
 * only these are deleted, updated and inserted. Agtypes with equal content have equal bytes,
 * because their maps are sorted; comparing bytes takes half the time of AGE's operator. A null
 * property is not written: for Cypher that is the same.
 *
 * Operators of AGE's types are qualified with their schema, because it is not on the caller's
 * search path. `is distinct from` and `in` would look for them there.
 */
function mirrorStatement(
  scope: Scope,
  edges: EdgeFrame,
  { attributes, keepEarliest, label }: { attributes: readonly string[]; keepEarliest: readonly string[]; label: string },
) {
  const vertexTable = sql.id(scope.graphName, 'Resource')
  const edgeTable = sql.id(scope.graphName, label)
  const everyEdge = sql.id(scope.graphName, '_ag_label_edge')
  const labelName = sql.lit(quotedName(scope.graphName, label))
  const named = attributes.flatMap((name) => [sql`${name}::text`, sql.id('edge', name)])
  const properties = named.length === 0 ? sql`ag_catalog.agtype_build_map()` : sql`ag_catalog.agtype_build_map_nonull(${sql.join(named)})`
  const kept = keepEarliest.map((name) => {
    const [before, given] = [
      sql`ag_catalog.agtype_object_field(old.properties, ${name})`,
      sql`ag_catalog.agtype_object_field(edge.properties, ${name})`,
    ]
    return sql`${name}::text, case when ${before} operator(ag_catalog.<) ${given} then ${before} else coalesce(${given}, ${before}) end`
  })
  const renewed =
    kept.length === 0
      ? sql`edge.properties`
      : sql`ag_catalog.agtype_concat(edge.properties, ag_catalog.agtype_build_map_nonull(${sql.join(kept)}))`
  const elsewhere = (end: 'start_id' | 'end_id') => sql`
    exists (
      select from ${everyEdge} as other
      where other.tableoid <> ${labelName}::regclass::oid and ${sql.ref(`other.${end}`)} operator(ag_catalog.=) old.id
    )
  `
  return sql<MirrorRow>`
    with given as materialized (select frame.* from ${edges} as frame),
    label as materialized (select ag_catalog._label_id(${scope.graphName}::name, 'Resource'::name)::int4 as id),
    wanted_vertex as materialized (
      select
        endpoint.id as resource_id,
        case when endpoint.id is not null then ag_catalog._graphid((select id from label), endpoint.id) end as id,
        case when resource.resource_id is not null then ag_catalog.agtype_build_map(
          'tenant_id', resource.tenant_id, 'resource_id', resource.resource_id, 'urn', resource.urn, 'type', resource.type, 'name', resource.name
        ) end as properties
      from (select src as id from given union select dst from given) as endpoint
      left join ${scope.id('dim_resource')} as resource on resource.resource_id = endpoint.id and resource.tenant_id = ${scope.tenantId}::int8
    ),
    problem as materialized (
      select
        exists (select from ${scope.id('dim_tenant')} as tenant where tenant.tenant_id = ${scope.tenantId}::int8) as tenant_known,
        (select coalesce(resource_id::text, 'null') from wanted_vertex where properties is null limit 1) as stranger,
        (select 'from ' || src::text || ' to ' || dst::text from given group by src, dst having count(*) > 1 limit 1) as repeated
    ),
    sound as materialized (select from problem where tenant_known and stranger is null and repeated is null),
    vertex as materialized (
      select wanted.id, wanted.properties, old.id as old_id
      from wanted_vertex as wanted
      full join ${vertexTable} as old on old.id operator(ag_catalog.=) wanted.id
      where exists (select from sound) and (wanted.id is null or old.id is null or record_image_ne(row(wanted.properties), row(old.properties)))
    ),
    edge as materialized (
      select wanted.start_id, wanted.end_id, wanted.properties, old.id as old_id
      from (
        select
          ag_catalog._graphid((select id from label), edge.src) as start_id,
          ag_catalog._graphid((select id from label), edge.dst) as end_id,
          ${properties} as properties
        from given as edge
        where edge.src is not null and edge.dst is not null
      ) as wanted
      full join ${edgeTable} as old on old.start_id operator(ag_catalog.=) wanted.start_id and old.end_id operator(ag_catalog.=) wanted.end_id
      where exists (select from sound) and (wanted.start_id is null or old.id is null or record_image_ne(row(wanted.properties), row(old.properties)))
    ),
    vertex_removed as (
      delete from ${vertexTable} as old
      using vertex
      where vertex.old_id operator(ag_catalog.=) old.id and vertex.id is null and not ${elsewhere('start_id')} and not ${elsewhere('end_id')}
      returning 1
    ),
    vertex_changed as (
      update ${vertexTable} as old set properties = vertex.properties
      from vertex
      where vertex.old_id operator(ag_catalog.=) old.id and vertex.id is not null
      returning 1
    ),
    vertex_added as (
      insert into ${vertexTable} (id, properties) select id, properties from vertex where old_id is null
      returning 1
    ),
    edge_removed as (
      delete from ${edgeTable} as old
      using edge
      where edge.old_id operator(ag_catalog.=) old.id and edge.start_id is null
      returning 1
    ),
    edge_changed as (
      update ${edgeTable} as old set properties = ${renewed}
      from edge
      where edge.old_id operator(ag_catalog.=) old.id and edge.start_id is not null and record_image_ne(row(${renewed}), row(old.properties))
      returning 1
    ),
    edge_added as (
      insert into ${edgeTable} (start_id, end_id, properties) select start_id, end_id, properties from edge where old_id is null
      returning 1
    )
    select
      problem.tenant_known,
      problem.stranger,
      problem.repeated,
      (select count(*)::int4 from vertex_added) as vertices_added,
      (select count(*)::int4 from vertex_changed) as vertices_changed,
      (select count(*)::int4 from vertex_removed) as vertices_removed,
      (select count(*)::int4 from edge_added) as edges_added,
      (select count(*)::int4 from edge_changed) as edges_changed,
      (select count(*)::int4 from edge_removed) as edges_removed
    from problem
  `
}

const quotedName = (graph: string, label: string): string => `${quoteIdentifier(graph)}.${quoteIdentifier(label)}`
