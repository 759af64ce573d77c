import { sql, type Kysely } from 'kysely'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { execute } from '../../lifecycle/statement.ts'

/**
 * Objects attached to a table or view by its name, as statements that attach them to its
 * replacement.
 */
export interface Attachments {
  readonly owner: string
  /** Columns that accept values; generated columns compute theirs. */
  readonly columns: readonly string[]
  /**
   * Primary key, unique, foreign key and exclusion constraints; check constraints are copied with
   * the columns.
   */
  readonly constraints: readonly string[]
  readonly indexes: readonly string[]
  readonly triggers: readonly { readonly name: string; readonly definition: string }[]
  readonly grants: readonly string[]
  readonly comments: readonly string[]
  /** The select of a view; null for a table. */
  readonly query: string | null
}

/**
 * Reads what is attached to a relation. The search path must contain only `pg_catalog`, so that
 * every name is printed with its schema.
 */
export async function readAttachments(trx: Kysely<{}>, installation: Installation, name: string): Promise<Attachments> {
  const place = qualified(installation, name)
  const { rows } = await sql<Attachments>`
    with relation as (select * from pg_catalog.pg_class where oid = ${place}::regclass),
    granted as (
      select acl.*, '' as only_column from relation, aclexplode(relation.relacl) as acl where acl.grantee <> relation.relowner
      union all
      select acl.*, format(' (%I)', attribute.attname)
      from relation
      join pg_catalog.pg_attribute as attribute on attribute.attrelid = relation.oid and not attribute.attisdropped, aclexplode(attribute.attacl) as acl
    )
    select
      quote_ident(pg_get_userbyid(relation.relowner)) as owner,
      array(
        select attname::text from pg_catalog.pg_attribute
        where attrelid = relation.oid and attnum > 0 and not attisdropped and attgenerated = ''
        order by attnum
      ) as columns,
      array(
        select format('alter table %s add constraint %I %s', ${place}::text, conname, pg_get_constraintdef(oid)) from pg_catalog.pg_constraint
        where conrelid = relation.oid and contype in ('p', 'u', 'f', 'x')
        order by contype <> 'p', conname
      ) as constraints,
      array(
        select replace(pg_get_indexdef(entry.indexrelid), ' ON ONLY ', ' ON ') from pg_catalog.pg_index as entry
        where entry.indrelid = relation.oid
          and not exists (select from pg_catalog.pg_constraint where conindid = entry.indexrelid and conrelid = relation.oid)
        order by entry.indexrelid
      ) as indexes,
      coalesce((
        select jsonb_agg(jsonb_build_object('name', tgname, 'definition', pg_get_triggerdef(oid)) order by tgname)
        from pg_catalog.pg_trigger where tgrelid = relation.oid and not tgisinternal
      ), '[]') as triggers,
      array(
        select format('grant %s%s on %s to %s%s', privilege_type, only_column, ${place}::text,
          case grantee when 0 then 'public' else quote_ident(pg_get_userbyid(grantee)) end, case when is_grantable then ' with grant option' else '' end)
        from granted
      ) as grants,
      array(
        select format('comment on %s %s is %L', case when relation.relkind = 'v' then 'view' else 'table' end, ${place}::text, described)
        from obj_description(relation.oid, 'pg_class') as described
        where described is not null
      ) as comments,
      case when relation.relkind = 'v' then pg_get_viewdef(relation.oid) end as query
    from relation
  `.execute(trx)
  return rows[0]!
}

/**
 * Gives a relation the owner and exactly the grants of another one, regardless of default
 * privileges.
 */
export async function hangOn(trx: Kysely<{}>, installation: Installation, name: string, kept: Attachments): Promise<void> {
  const place = qualified(installation, name)
  await execute(trx, `alter table ${place} owner to ${kept.owner}`)
  const { rows } = await sql<{ statement: string }>`
    select distinct format('revoke all on %s from %s', ${place}::text, case acl.grantee when 0 then 'public' else quote_ident(pg_get_userbyid(acl.grantee)) end) as statement
    from pg_catalog.pg_class as class, aclexplode(class.relacl) as acl
    where class.oid = ${place}::regclass and acl.grantee <> class.relowner
  `.execute(trx)
  for (const { statement } of rows) await execute(trx, statement)
  for (const statement of [...kept.grants, ...kept.comments]) await execute(trx, statement)
}
