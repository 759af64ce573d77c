import { sql, type Kysely } from 'kysely'
import type { Check, Finding } from '../../database/checks/check.ts'
import { readableUpkeep } from '../policies/readableUpkeep.ts'

/** Checks whether the last run of `maintain` failed to do something. */
export const failingCheck: Check = {
  name: 'what maintain could not do',
  async find(examined) {
    const installation = await readableUpkeep(examined)
    return installation === null ? [] : failures(examined.db, installation.schema)
  },
}

interface KeepsFailing {
  step: string
  object: string
  tenant: string | null
  places: number
  at: Date | null
  since: Date
  reason: string
}

/** Most failures for one tenant, or one table, have one cause. */
async function failures(db: Kysely<{}>, schema: string): Promise<Finding[]> {
  const { rows } = await sql<KeepsFailing>`
    select step, object, nullif(tenant_id, 0)::text as tenant, count(*)::int4 as places, nullif(max(at), '-infinity') as at, min(first_at) as since,
      (pg_catalog.array_agg(reason order by at desc))[1] as reason
    from ${sql.id(schema, 'pgvantage_failure')}
    group by step, object, tenant_id
    order by step, object, tenant_id
    limit 20
  `.execute(db)
  return rows.map(({ step, object, tenant, places, at, since, reason }) => {
    const where = `${places === 1 ? '' : `in ${places} places, the last `}${at === null ? '' : `at ${at.toISOString()}`}`
    return {
      severity: 'warning',
      code: 'maintenance-failing',
      message: `maintain cannot ${step} ${object}${where === '' ? '' : ` ${where}`}${tenant === null ? '' : ` for tenant ${tenant}`}, since ${since.toISOString()}: ${reason}`,
      remedy:
        step === 'roll' && tenant !== null
          ? 'correct or delete these rows; those of other tenants are rolled up, and these are tried again when they change and every six hours'
          : 'correct what the server reports; everything else is done, and every run of `pgvantage maintain` tries this again',
    }
  })
}
