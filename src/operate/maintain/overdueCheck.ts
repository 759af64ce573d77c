import { sql, type Kysely } from 'kysely'
import type { Check, Finding } from '../../database/checks/check.ts'
import { defaultPolicies } from '../policies/defaultPolicies.ts'
import { readableUpkeep } from '../policies/readableUpkeep.ts'

/**
 * Whether somebody has `maintain` run, where policies were applied and the server has no jobs for
 * them.
 */
export const overdueCheck: Check = {
  name: 'how far maintain has come',
  async find(examined) {
    const installation = await readableUpkeep(examined)
    return installation === null || installation.timeRung === 'community' ? [] : overdue(examined.db, installation.schema)
  },
}

/**
 * Rollups answer from their source what is not rolled yet: right, but slowly. And nothing is
 * dropped before it is rolled.
 */
async function overdue(db: Kysely<{}>, schema: string): Promise<Finding[]> {
  const settled = defaultPolicies.time.flatMap(({ rollups }) => rollups.map(({ rollup, settle }) => ({ name: rollup.name, settle })))
  const { rows } = await sql<{ name: string; until: Date | null }>`
    select known.name, nullif(known.rolled_until, '-infinity') as until
    from ${sql.id(schema, 'pgvantage_time_table')} as known
    join jsonb_to_recordset(${JSON.stringify(settled)}::jsonb) as rollup (name text, settle interval) on rollup.name = known.name
    where known.rolled_until < now() - rollup.settle - interval '2 days'
      and exists (select from ${sql.id(schema, 'pgvantage_policy')})
      and exists (
        select from ${sql.id(schema, 'pgvantage_stale_bucket')} as stale
        where stale.rollup = known.name and stale.bucket < now() - rollup.settle - interval '2 days'
      )
    order by known.name
  `.execute(db)
  return rows.map(({ name, until }) => ({
    severity: 'warning',
    code: 'maintain-overdue',
    message: `${name} ${until === null ? 'has never been rolled up' : `is rolled up only until ${until.toISOString()}`}: it is answered from finer rows, and nothing of them is dropped`,
    remedy: 'have `pgvantage maintain` run by a scheduler, every half hour or so',
    needs: 'maintainer',
  }))
}
