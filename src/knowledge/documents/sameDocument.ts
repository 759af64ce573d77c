import { sql, type RawBuilder } from 'kysely'
import type { Scope } from '../../database/scope.ts'

/**
 * Whether the document `doc` is the one that `asked` identifies: by its `source` and `url`, or
 * without a URL by its `source` and `title`. It uses the index on these columns.
 */
export const isSameDocument = (scope: Scope): RawBuilder<boolean> => sql`
  doc.tenant_id = ${scope.tenantId}::int8 and doc.source = asked.source
    and md5(coalesce(doc.url, doc.title)) = md5(coalesce(asked.url, asked.title))
    and (doc.url = asked.url or (asked.url is null and doc.url is null and doc.title = asked.title))
`
