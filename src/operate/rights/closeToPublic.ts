import { quoteLiteral } from '../../database/sql/identifier.ts'
import { qualified, type Installation } from '../../database/installation/installation.ts'
import { installedNames } from '../installedSql.ts'

/**
 * The statement that stops if a function or type with one of our names exists and belongs to
 * someone else. Replaced, its owner could still change it; next to ours, it could be called instead
 * of ours.
 */
export async function refuseStrangers(installation: Pick<Installation, 'schema'>): Promise<string> {
  const ours = qualified(installation, 'pgvantage_installation')
  return block(`declare
  theirs record;
begin
  select named.kind || ' ' || named.name as name, pg_get_userbyid(named.owner) as owner into theirs
  from (${await named(installation)}) as named
  where pg_get_userbyid(named.owner) <> current_user
    and named.owner is distinct from (select class.relowner from pg_catalog.pg_class as class where class.oid = to_regclass(${quoteLiteral(ours)}))
  limit 1;
  if found then
    raise exception '% belongs to %: it has a name that pgvantage uses, and pgvantage does not replace objects of other owners', theirs.name, theirs.owner
      using errcode = 'insufficient_privilege', hint = 'Drop or rename it, or install into another schema.';
  end if;
end`)
}

/**
 * The statement that revokes the default rights of PUBLIC on our functions and types, including
 * those that an older pgvantage installed. Grants by an administrator stay, since `create or
 * replace` keeps them.
 */
export async function closeToPublic(installation: Pick<Installation, 'schema'>): Promise<string> {
  return block(`declare
  ours record;
begin
  for ours in
    select named.kind, named.name
    from (${await named(installation)}) as named
    where named.open and pg_has_role(named.owner, 'usage')
  loop
    execute format('revoke %s on %s %s from public', case ours.kind when 'type' then 'usage' else 'execute' end, ours.kind, ours.name);
  end loop;
end`)
}

/** The objects in our schema with names that `sql/` creates, without members of extensions. */
async function named({ schema }: Pick<Installation, 'schema'>): Promise<string> {
  const place = `(select oid from pg_catalog.pg_namespace where nspname = ${quoteLiteral(schema)})`
  const array = (names: readonly string[]) => quoteLiteral(`{${names.join(',')}}`)
  return `
    select 'routine' as kind, routine.oid::regprocedure::text as name, routine.proowner as owner, has_function_privilege('public', routine.oid, 'execute') as open
    from pg_catalog.pg_proc as routine
    where routine.pronamespace = ${place}
      and routine.proname = any (${array(await installedNames('function', 'procedure', 'aggregate'))})
      and not exists (
        select from pg_catalog.pg_depend as member
        where member.classid = 'pg_catalog.pg_proc'::regclass and member.objid = routine.oid and member.deptype = 'e'
      )
    union all
    select 'type', type.oid::regtype::text, type.typowner, has_type_privilege('public', type.oid, 'usage')
    from pg_catalog.pg_type as type
    where type.typnamespace = ${place} and type.typname = any (${array(await installedNames('domain'))})
  `
}

/** As a string literal, which no name can end. */
const block = (body: string) => `do ${quoteLiteral(`${body};`)}`
