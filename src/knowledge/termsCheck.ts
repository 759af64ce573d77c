import { sql } from 'kysely'
import type { Check } from '../database/checks/check.ts'
import { schemaVersion } from '../database/installation/installation.ts'
import { termsVersion } from './terms.ts'

/** Checks whether chunks can be found by their words. */
export const termsCheck: Check = {
  name: 'terms of knowledge',
  async find({ db, installation, version }) {
    if (installation === null || version !== schemaVersion) return []
    const table = (name: string) => sql.id(installation.schema, name)
    const { rows } = await sql<{ code: string; written: number | null }>`
      select tenant.code, corpus.terms_version as written
      from ${table('dim_tenant')} as tenant
      left join ${table('kb_corpus')} as corpus on corpus.tenant_id = tenant.tenant_id
      where corpus.terms_version is distinct from ${termsVersion}::int4
        and exists (select from ${table('kb_chunk')} as chunk where chunk.tenant_id = tenant.tenant_id)
      order by tenant.code collate "C"
      limit 20
    `.execute(db)
    return rows.map(({ code, written }) => ({
      severity: 'warning',
      code: 'knowledge-terms',
      message: `the knowledge of tenant ${code} ${written === null ? 'has no terms: searches by words find nothing' : `has terms of version ${written}, this library's are of version ${termsVersion}: this library refuses to search it by words`}`,
      remedy: `in a program: await reindexTerms(await tenantScope(db, ${JSON.stringify(code)}${installation.schema === 'public' ? '' : `, { schema: ${JSON.stringify(installation.schema)} }`})), from pgvantage/knowledge`,
    }))
  },
}
