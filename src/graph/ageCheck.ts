import type { Capabilities } from '../database/capabilities.ts'
import type { Ability, Check } from '../database/checks/check.ts'
import { older } from '../database/older.ts'

export const graphAbility = ({ extensions }: Capabilities): Ability =>
  extensions.age.installed === null
    ? { state: 'fallback', reason: 'no Apache AGE: traversal of tables, no Cypher' }
    : { state: 'full', reason: 'Apache AGE' }

/** Checks whether Apache AGE is installed, and whether its connections can handle many graphs. */
export const ageCheck: Check = {
  name: 'Apache AGE',
  find({ server }) {
    const { installed, available } = server.extensions.age
    if (installed === null) {
      return [
        {
          severity: 'info',
          code: 'no-age',
          message: 'without Apache AGE there is no Cypher; the graph functions answer from the tables',
          ...(available === null
            ? { remedy: 'nothing, unless you want Cypher: then install Apache AGE on the server' }
            : {
                remedy: 'nothing, unless you want Cypher: then run `create extension age` and `pgvantage migrate up`',
                needs: 'superuser',
              }),
        },
      ]
    }
    if (!older(installed, '1.7.0')) return []
    return [
      {
        severity: 'warning',
        code: 'age-cache',
        message: `Apache AGE ${installed} breaks a connection that has met more than 41 labels, ten tenants' graphs (apache/age#2245): refreshCallGraph and deleteTenant can then fail on it, without losing data`,
        remedy: 'install AGE 1.7 or later; until then let the pool replace its connections now and then (pg: `maxUses`)',
      },
    ]
  },
}
