import type { RightsFacts } from './facts.ts'

/**
 * The purpose of a login.
 *
 * | role | may call | on |
 * |---|---|---|
 * | `reader` | every read, `doctor` | all tenants |
 * | `writer` | as a reader; `ensureTenant`, `ensureResources`, `recordTopology`, `recordEvent`, `attachEvidence`, `addDocuments`, `removeDocuments`, `reembed`, `reindexTerms`, `ingest` | all tenants |
 * | `refresher` | as a reader; `refreshCallGraph`, `mirrorGraph`, `cypher` that writes | the graphs, which belong to it |
 * | `maintainer` | `maintain`, `applyPolicies`, `refreshRange`, `deleteTenant`, `migrateUp`, all as the owner | the installation |
 * | `owner` | everything; the tables and functions belong to it | the installation |
 */
export type Role = (typeof roles)[number]

/** From the fewest rights to the most. */
export const roles = ['reader', 'writer', 'refresher', 'maintainer', 'owner'] as const

/** Rights on one object, and the role that can grant them. */
export interface Need {
  kind: 'database' | 'schema' | 'relation' | 'tables' | 'function' | 'role'
  oid: number
  /** As in SQL: quoted, with its schema. */
  on: string
  rights: readonly string[]
  /** The role that can grant it, besides a superuser; null if there is no other. */
  grantor: string | null
}

/** The least role that executes each function of `sql/`; those of the owner need no grant. */
export const executedBy: Readonly<Record<string, 'reader' | 'refresher' | 'owner'>> = {
  agtype_jsonb: 'reader',
  agtype_whole: 'reader',
  call_graph_drop: 'refresher',
  call_graph_edges: 'reader',
  change_point_of: 'reader',
  change_points: 'reader',
  cypher_failure: 'reader',
  cypher_read: 'reader',
  cypher_statement: 'reader',
  cypher_write: 'refresher',
  differences: 'reader',
  ewma: 'reader',
  ewma_step: 'reader',
  exp_histogram: 'reader',
  exp_histogram_bytes: 'reader',
  exp_histogram_cells: 'reader',
  exp_histogram_collect: 'reader',
  exp_histogram_count: 'reader',
  exp_histogram_decode: 'reader',
  exp_histogram_encode: 'reader',
  exp_histogram_merge: 'reader',
  exp_histogram_merge_all: 'reader',
  exp_histogram_quantile: 'reader',
  exp_histogram_quantiles: 'reader',
  graph_core: 'reader',
  graph_cycles: 'reader',
  graph_edges: 'reader',
  graph_impact: 'reader',
  graph_prepare: 'refresher',
  graph_search: 'reader',
  graph_shortest_paths: 'reader',
  graph_table: 'reader',
  graph_trails: 'reader',
  graph_turn: 'refresher',
  graph_vertices: 'reader',
  graph_walk_edges: 'reader',
  heavy_hitters_flaw: 'reader',
  heavy_hitters_merge: 'reader',
  heavy_hitters_merge_all: 'reader',
  heavy_hitters_top: 'reader',
  hyperloglog_cardinality: 'reader',
  hyperloglog_collect: 'reader',
  hyperloglog_ertl: 'reader',
  hyperloglog_ertl_error: 'reader',
  hyperloglog_greatest: 'reader',
  hyperloglog_masks: 'reader',
  hyperloglog_merge: 'reader',
  hyperloglog_merge_all: 'reader',
  hyperloglog_model: 'reader',
  hyperloglog_overlap: 'reader',
  hyperloglog_parameters: 'reader',
  hyperloglog_register_bits: 'reader',
  hyperloglog_register_counts: 'reader',
  hyperloglog_registers: 'reader',
  knowledge_bm25: 'reader',
  knowledge_distances: 'reader',
  knowledge_diverse: 'reader',
  knowledge_feedback: 'reader',
  knowledge_filter: 'reader',
  knowledge_lexical: 'reader',
  knowledge_measured: 'reader',
  knowledge_nearest: 'reader',
  knowledge_powers: 'reader',
  knowledge_question: 'reader',
  knowledge_snippet: 'reader',
  knowledge_weights: 'reader',
  largest_of_four: 'reader',
  moving_medians: 'reader',
  moving_quantiles: 'reader',
  moving_rarities: 'reader',
  note_log_patterns: 'owner',
  note_metric_series: 'owner',
  note_stale_buckets: 'owner',
  pattern_matches: 'reader',
  require_resources: 'reader',
  student_t_width: 'reader',
  sums_of_four: 'reader',
  surprises: 'reader',
  tail_rarity: 'reader',
}

/** What the write functions do with our tables besides reading. */
export const writtenBy: Readonly<Record<string, readonly string[]>> = {
  dim_tenant: ['insert', 'update'],
  dim_resource: ['insert', 'update'],
  oo_locator: ['insert', 'update'],
  ingest_journal: ['insert', 'update', 'delete'],
  ingest_window: ['insert', 'update', 'delete'],
  ingest_clock: ['insert', 'update'],
  ingest_follower: ['insert', 'update', 'delete'],
  ingest_file: ['insert', 'update', 'delete'],
  metric_1m: ['insert', 'update', 'delete'],
  metric_series: ['insert', 'update'],
  service_call_5m: ['insert', 'update', 'delete'],
  log_pattern: ['insert', 'update'],
  log_pattern_5m: ['insert', 'update', 'delete'],
  log_pattern_seen: ['insert', 'update'],
  sketch_5m: ['insert', 'update', 'delete'],
  topo_edge_time: ['insert', 'update', 'delete'],
  topo_snapshot: ['insert', 'update', 'delete'],
  kb_doc: ['insert', 'update', 'delete'],
  kb_chunk: ['insert', 'update', 'delete'],
  kb_term: ['insert', 'delete'],
  kb_word: ['insert', 'delete'],
  kb_corpus: ['insert', 'update'],
  kb_reembedding: ['insert', 'update', 'delete'],
  event_envelope: ['insert', 'update'],
  evidence_link: ['insert'],
}

/**
 * What a role needs in this database; before pgvantage is installed, including what others must
 * grant it.
 */
export function needsOf(role: Role, facts: RightsFacts): Need[] {
  const { extensionSchemas, age, installed } = facts
  const grantor = installed?.owner ?? null
  const connect: Need = { ...onDatabase(facts), rights: ['connect'] }
  const extensions = extensionSchemas.map((schema): Need => ({
    kind: 'schema',
    oid: schema.oid,
    on: schema.name,
    rights: ['usage'],
    grantor: schema.owner,
  }))
  const graphs: Need[] =
    age === null
      ? []
      : [
          { kind: 'schema', oid: age.oid, on: 'ag_catalog', rights: ['usage'], grantor: age.owner },
          ...age.tables.map(({ oid, name }): Need => ({ kind: 'relation', oid, on: name, rights: ['select'], grantor: age.owner })),
        ]
  if (role === 'owner') {
    const create: Need = { ...onDatabase(facts), rights: ['connect', 'create', 'temporary'] }
    const schema = installed?.schema ?? facts.place
    const place: Need[] =
      schema === null || (installed !== null && schema.owner === grantor)
        ? []
        : [{ kind: 'schema', oid: schema.oid, on: schema.name, rights: ['usage', 'create'], grantor: schema.owner }]
    return [create, ...extensions, ...graphs, ...place]
  }
  if (installed === null) return []
  const { schema, relations, routines } = installed
  const ours: Need = { kind: 'schema', oid: schema.oid, on: schema.name, rights: ['usage'], grantor: schema.owner }
  const on = (names: (name: string) => readonly string[]): Need[] =>
    relations.flatMap(({ oid, name, bare }) => {
      const rights = names(bare)
      return rights.length === 0 ? [] : [{ kind: 'relation', oid, on: name, rights, grantor }]
    })
  if (role === 'maintainer') {
    // Objects that upkeep creates must belong to the owner, so it acts as the owner; since
    // PostgreSQL 16 that is a separate right.
    const rights = facts.versionNumber >= 160_000 ? ['usage', 'set'] : ['usage']
    return [connect, { kind: 'role', oid: installed.ownerOid, on: installed.quotedOwner, rights, grantor: null }]
  }
  const execute = (who: string): Need[] =>
    routines.flatMap(({ oid, signature, bare }) =>
      executedBy[bare] === who ? [{ kind: 'function', oid, on: signature, rights: ['execute'], grantor }] : [],
    )
  const reading: Need[] = [
    connect,
    ...extensions,
    ours,
    ...on(() => ['select']),
    ...execute('reader'),
    ...graphs,
    ...installed.graphs.flatMap(({ oid, name, owner }): Need[] => [
      { kind: 'schema', oid, on: name, rights: ['usage'], grantor: owner },
      { kind: 'tables', oid, on: name, rights: ['select'], grantor: owner },
    ]),
  ]
  if (role === 'reader') return reading
  // recordTopology stages its input in a temporary table.
  if (role === 'writer') return [...reading, { ...onDatabase(facts), rights: ['temporary'] }, ...on((name) => writtenBy[name] ?? [])]
  return age === null ? [] : [...reading, { ...onDatabase(facts), rights: ['create'] }, ...execute('refresher')]
}

const onDatabase = ({ database }: RightsFacts): Omit<Need, 'rights'> => ({
  kind: 'database',
  oid: database.oid,
  on: database.name,
  grantor: database.owner,
})
