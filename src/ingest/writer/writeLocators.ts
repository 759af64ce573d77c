import { sql } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import type { Locator } from '../rollups/windows/ingestWindow.ts'

/**
 * Writes the locations of the raw records of a window.
 *
 * @param locators by their place among the window's.
 * @returns the ids, by the same places.
 */
export async function writeLocators(scope: Scope, locators: ReadonlyMap<number, Locator>): Promise<Map<number, string>> {
  if (locators.size === 0) return new Map()
  const rows = JSON.stringify(
    [...locators].map(([position, locator]) => ({
      position,
      dataset: locator.dataset,
      bucket: locator.objectBucket,
      object_key: locator.objectKey,
      t_from: locator.tFrom,
      t_to: locator.tTo,
      query_hint: locator.queryHint,
      attributes: locator.attributes,
    })),
  )
  const given = sql`jsonb_to_recordset(${rows}::jsonb) as row (
    position int4, dataset text, bucket text, object_key text, t_from timestamptz, t_to timestamptz, query_hint text, attributes jsonb
  )`
  // Referring rows may mean any of the lines stated before, so the range only grows.
  const lines = sql`excluded.attributes || jsonb_build_object(
      'first_line', least((locator.attributes ->> 'first_line')::int8, (excluded.attributes ->> 'first_line')::int8),
      'last_line', greatest((locator.attributes ->> 'last_line')::int8, (excluded.attributes ->> 'last_line')::int8)
    )`
  await sql`
    insert into ${scope.id('oo_locator')} as locator (tenant_id, dataset, bucket, object_key, t_from, t_to, query_hint, attributes)
    select ${scope.tenantId}::int8, dataset, bucket, object_key, t_from, t_to, query_hint, attributes
    from ${given}
    order by dataset collate "C", t_from, t_to, bucket collate "C", object_key collate "C"
    on conflict (tenant_id, dataset, t_from, t_to, locator_hash) do update set attributes = ${lines}
    where locator.attributes <> ${lines}
  `.execute(scope.db)
  // A separate statement: it sees rows that others committed while the one above waited for them.
  const { rows: found } = await sql<{ position: number; id: string }>`
    select row.position, locator.id::text as id
    from ${given}
    join ${scope.id('oo_locator')} as locator
      on locator.tenant_id = ${scope.tenantId}::int8 and locator.dataset = row.dataset and locator.t_from = row.t_from and locator.t_to = row.t_to
      and locator.bucket = row.bucket and locator.object_key = row.object_key and locator.query_hint = row.query_hint
  `.execute(scope.db)
  return new Map(found.map(({ position, id }) => [position, id]))
}
