import { z } from 'zod'
import { timeRange, type TimeRange } from '../../database/range.ts'
import { boundedText, storableObject, urnText, type Json } from '../../schema/text.ts'

/** Limits which chunks can be found; all given filters must hold. */
export interface KnowledgeFilters {
  /** Only documents of this source. */
  source?: string
  /** Only chunks about this resource: their `resources` contain the URN. */
  resource?: string
  /** Only chunks with these labels. */
  labels?: Record<string, Json>
  /**
   * Only chunks with these metadata, their own or their document's (containment, as `jsonb @>`).
   */
  metadata?: Record<string, Json>
  /** Only documents added in this range. */
  addedDuring?: TimeRange
}

export const knowledgeFilters = z.strictObject({
  source: boundedText(255).optional(),
  resource: urnText.optional(),
  labels: storableObject.optional(),
  metadata: storableObject.optional(),
  addedDuring: timeRange.optional(),
})

/** The filters as `knowledge_filter` reads them. */
export function filterDocument({ source, resource, labels, metadata, addedDuring: range }: KnowledgeFilters): Record<string, Json> {
  const contained = resource === undefined ? metadata : withResource({ ...metadata }, resource)
  return {
    ...(source !== undefined && { source }),
    ...(contained && { metadata: contained }),
    ...(labels && Object.keys(labels).length > 0 && { labels }),
    ...(range && { from: range.from.toISOString(), to: range.to.toISOString() }),
  }
}

/**
 * Containment of an array means containment of each element, so the URN is added to those already
 * asked for.
 */
function withResource(metadata: Record<string, Json>, resource: string): Record<string, Json> {
  const { resources = [] } = metadata
  return { ...metadata, resources: [...(Array.isArray(resources) ? resources : [resources]), resource] }
}
