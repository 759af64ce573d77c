import { sql, type Kysely } from 'kysely'
import { asOwner } from '../database/transaction/asOwner.ts'
import type { Installation } from '../database/installation/installation.ts'

const batch = 1_000

export interface ExpiredLocators {
  readonly locators: number
  readonly next: LocatorCursor | null
}

export interface LocatorCursor {
  readonly from: string
  readonly id: string
}

/** The kinds of raw records that locators point to. */
export const locatorDatasets = ['logs', 'traces', 'metrics'] as const

/**
 * Deletes locators of records that ended before `before` and that nothing refers to: no call, no
 * pattern count and no evidence. The oldest first; each transaction reads a thousand.
 *
 * It is safe while references are being written. It first locks the locators, without those to
 * which a reference is being written. Then it looks up references, when no new one can be added.
 */
export async function expireLocators(
  db: Kysely<{}>,
  { schema }: Pick<Installation, 'schema'>,
  dataset: (typeof locatorDatasets)[number],
  before: Date,
  after: LocatorCursor | null,
): Promise<ExpiredLocators> {
  const locator = sql.id(schema, 'oo_locator')
  return asOwner(db, { schema }, async (trx) => {
    const { rows } = await sql<{ id: string; from: string }>`
      select id::text as id, t_from::text as from
      from ${locator}
      where dataset = ${dataset}
        and t_from < ${before.toISOString()}::timestamptz and t_to < ${before.toISOString()}::timestamptz
        and (t_from, id) > (${after?.from ?? '-infinity'}::timestamptz, ${after?.id ?? '0'}::int8)
      order by t_from, id
      limit ${batch}::int8
      for update skip locked
    `.execute(trx)
    if (rows.length === 0) return { locators: 0, next: null }
    const unreferenced = (table: string, column: string) =>
      sql`not exists (select from ${sql.id(schema, table)} as row where ${sql.ref(`row.${column}`)} = locator.id)`
    const { numAffectedRows = 0n } = await sql`
      delete from ${locator} as locator
      where locator.id = any(${rows.map(({ id }) => id)}::int8[])
        and ${unreferenced('evidence_link', 'ref_oo')}
        and ${unreferenced('service_call_5m', 'sample_ref')}
        and ${unreferenced('log_pattern_5m', 'sample_ref')}
    `.execute(trx)
    const last = rows.at(-1)!
    return { locators: Number(numAffectedRows), next: rows.length < batch ? null : { from: last.from, id: last.id } }
  })
}
