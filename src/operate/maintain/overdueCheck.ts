import { sql, type Kysely } from 'kysely'
import type { Check, Finding } from '../../database/checks/check.ts'
import { defaultPolicies } from '../policies/defaultPolicies.ts'
import { readableUpkeep } from '../policies/readableUpkeep.ts'

/**
 * Checks that `maintain` runs regularly, if policies were applied and the server has no jobs for
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
 * Reads of buckets that are not rolled up use the source: correct, but slow. And no chunk is
 * dropped before it is rolled up.
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
    message: `${name} ${until === null ? 'has never been rolled up' : `is rolled up only until ${until.toISOString()}`}: reads use its finer rows, and no chunk of those is dropped`,
    remedy: 'run `pgvantage maintain` from a scheduler, about every half hour',
    needs: 'maintainer',
  }))
}
