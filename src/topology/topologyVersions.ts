import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { boundedText, storableText } from '../schema/text.ts'

/** Which part of the topology is meant. */
export interface TopologyFilter {
  /** Only edges of this relation (`calls`, `runs_on`, `depends_on`, ...). Default: all. */
  relation?: string
  /**
   * Only what this source says; `''` is what was written without one. Default: what all of them
   * say, put together.
   */
  source?: string
}

export const topologyFilter = {
  relation: boundedText(255).optional(),
  source: storableText.refine((text) => Buffer.byteLength(text) <= 255, 'must be at most 255 bytes long').optional(),
}

/**
 * The tenant's rows of `topo_edge_time` as `version`: each says that one source had an edge, with
 * these properties, for a stretch of time.
 */
export const topologyVersions = (scope: Scope, { relation, source }: TopologyFilter) =>
  scope.db
    .selectFrom(scope.table('topo_edge_time', 'version'))
    .where('version.tenant_id', '=', scope.tenantId)
    .$if(relation !== undefined, (versions) => versions.where('version.relation', '=', relation!))
    .$if(source !== undefined, (versions) => versions.where('version.source', '=', source!))

/**
 * Of several versions of an edge that hold at once, the first decides: the one that opened last,
 * then the one whose source sorts first.
 */
export const decidingFirst = sql`pg_catalog.lower(version.valid) desc, version.source collate "C"`

/**
 * When a version begins; null: no known beginning. An end written as infinity is as open as one
 * left out.
 */
export const validFrom = sql<Date | null>`nullif(pg_catalog.lower(version.valid), '-infinity')`

/** Until when a version holds; null: until further notice. */
export const validTo = sql<Date | null>`nullif(pg_catalog.upper(version.valid), 'infinity')`
