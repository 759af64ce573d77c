import type { Capabilities } from '../../database/capabilities.ts'
import type { Ability, Check } from '../../database/checks/check.ts'
import { older } from '../../database/older.ts'

export const knowledgeAbility = ({ extensions }: Capabilities): Ability =>
  extensions.vector.installed === null
    ? { state: 'missing', reason: 'needs the extension vector' }
    : { state: 'full', reason: 'pgvector with an HNSW index' }

/** Checks that pgvector has no known bug that damages its indexes. */
export const pgvectorCheck: Check = {
  name: 'version of pgvector',
  find({ server }) {
    const { installed } = server.extensions.vector
    if (installed === null || !older(installed, '0.8.4')) return []
    return [
      {
        severity: 'warning',
        code: 'pgvector-vacuum',
        message: `pgvector ${installed} has bugs in vacuuming HNSW indexes, fixed in 0.8.4: chunks can go missing from similarity searches`,
        remedy:
          'install pgvector 0.8.4 or later, `alter extension vector update`, then `reindex index concurrently idx_kb_vec_hnsw`; until then reindex after large deletes',
      },
    ]
  },
}
