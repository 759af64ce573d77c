import { z } from 'zod'
import { timeRange, type TimeRange } from '../../database/range.ts'
import { boundedText, storableObject, urnText, type Json } from '../../schema/text.ts'

/** What may be found at all; all that is given must hold. */
export interface KnowledgeFilters {
  /** Only documents of this source. */
  source?: string
  /** Only what is about this resource: whose `resources` hold the URN. */
  resource?: string
  /** Only what has these labels. */
  labels?: Record<string, Json>
  /** Only what has these metadata, in the chunk or its document (containment, as `jsonb @>`). */
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
 * Containment of an array asks for each of its elements, so the URN joins the ones that are asked
 * for already.
 */
function withResource(metadata: Record<string, Json>, resource: string): Record<string, Json> {
  const { resources = [] } = metadata
  return { ...metadata, resources: [...(Array.isArray(resources) ? resources : [resources]), resource] }
}
