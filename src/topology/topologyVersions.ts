import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { boundedText, storableText } from '../schema/text.ts'

/** Which part of the topology to read. */
export interface TopologyFilter {
  /** Only edges of this relation (`calls`, `runs_on`, `depends_on`, ...). Default: all. */
  relation?: string
  /**
   * Only edges of this source; `''` is what was written without one. Default: all sources combined.
   */
  source?: string
}

export const topologyFilter = {
  relation: boundedText(255).optional(),
  source: storableText.refine((text) => Buffer.byteLength(text) <= 255, 'must be at most 255 bytes long').optional(),
}

/**
 * The tenant's rows of `topo_edge_time` as `version`. Each row says that one source had an edge,
 * with these properties, for a period of time.
 */
export const topologyVersions = (scope: Scope, { relation, source }: TopologyFilter) =>
  scope.db
    .selectFrom(scope.table('topo_edge_time', 'version'))
    .where('version.tenant_id', '=', scope.tenantId)
    .$if(relation !== undefined, (versions) => versions.where('version.relation', '=', relation!))
    .$if(source !== undefined, (versions) => versions.where('version.source', '=', source!))

/**
 * Of several versions of an edge that are valid at once, the first decides: the one that opened
 * last, then the one whose source sorts first.
 */
export const decidingFirst = sql`pg_catalog.lower(version.valid) desc, version.source collate "C"`

/**
 * The beginning of a version; null if it is unknown. An end written as infinity is as open as a
 * missing one.
 */
export const validFrom = sql<Date | null>`nullif(pg_catalog.lower(version.valid), '-infinity')`

/** The end of a version; null if it is still valid. */
export const validTo = sql<Date | null>`nullif(pg_catalog.upper(version.valid), 'infinity')`
