import { sql, type Kysely } from 'kysely'
import type { Need } from './needs.ts'

/** The needs that the current role does not have: `insert on dim_resource`. */
export async function lackingOf(db: Kysely<{}>, needs: readonly Need[]): Promise<string[]> {
  const asked = needs.flatMap(({ kind, oid, rights }, need) => rights.map((right) => ({ need, kind, oid, right })))
  const { rows } = await sql<{ need: number; right: string }>`
    select asked.need, asked."right"
    from jsonb_to_recordset(${JSON.stringify(asked)}::jsonb) as asked (need int4, kind text, oid oid, "right" text)
    where not coalesce(
      case asked.kind
        when 'database' then pg_catalog.has_database_privilege(asked.oid, asked."right")
        when 'schema' then pg_catalog.has_schema_privilege(asked.oid, asked."right")
        when 'relation' then pg_catalog.has_table_privilege(asked.oid, asked."right")
        when 'function' then pg_catalog.has_function_privilege(asked.oid, asked."right")
        when 'role' then pg_catalog.pg_has_role(asked.oid, asked."right")
        else not exists (
          select from pg_catalog.pg_class as class
          where class.relnamespace = asked.oid and class.relkind = 'r' and not pg_catalog.has_table_privilege(class.oid, asked."right")
        )
      end,
      true
    )
    order by asked.need, asked."right"
  `.execute(db)
  return rows.map(({ need, right }) => described(needs[need]!, right))
}

function described({ kind, on }: Need, right: string): string {
  if (kind === 'role') return `membership in ${on} (${right})`
  if (kind === 'tables') return `${right} on all tables in schema ${on}`
  return `${right} on ${kind === 'relation' ? '' : `${kind} `}${on}`
}
