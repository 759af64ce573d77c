import { CompiledQuery, type Kysely } from 'kysely'
import { callsOf, type Call } from './calls.ts'
import { parseNodeTree, type NodeTree } from './nodeTree.ts'

export interface Statement {
  sql: string
  parameters: readonly unknown[]
}

/**
 * The schema in which strangers put their functions and operators, before all others of the path
 * but `pg_catalog`, which is implicitly first.
 */
export const strangersSchema = 'stranger'

/**
 * What PostgreSQL makes of a statement under the connection's `search_path`; nothing is executed.
 */
export async function analysed(db: Kysely<{}>, statement: string): Promise<NodeTree> {
  await execute(db, `prepare analysed as ${statement}`)
  try {
    const [prepared] = await execute<{ types: string[] }>(
      db,
      `select parameter_types::pg_catalog.text[] as types from pg_catalog.pg_prepared_statements where name operator(pg_catalog.=) 'analysed'`,
    )
    await execute(db, `create function pg_temp.analysed(${prepared!.types.join(', ')}) returns void begin atomic ${statement}; end`)
  } finally {
    await execute(db, 'deallocate analysed')
  }
  const [stored] = await execute<{ tree: string }>(
    db,
    `select prosqlbody::pg_catalog.text as tree from pg_catalog.pg_proc where oid operator(pg_catalog.=) 'pg_temp.analysed'::pg_catalog.regproc`,
  )
  await execute(db, 'drop function pg_temp.analysed')
  return parseNodeTree(stored!.tree)
}

/**
 * Makes in the strangers' schema, for every call of the statements, what PostgreSQL would rather
 * call than what stands in `pg_catalog`: a function, aggregate or operator of the same name for
 * exactly the types that it is called with, where `pg_catalog` has none. All of them raise "a
 * stranger ran".
 *
 * @returns how many there are.
 */
export async function inviteStrangers(db: Kysely<{}>, trees: readonly NodeTree[]): Promise<number> {
  const calls = new Map(
    trees
      .flatMap((tree) => callsOf(tree))
      .flatMap(overloads)
      .map((call) => [JSON.stringify(call), call]),
  )
  await execute(db, `create schema ${strangersSchema}`)
  await execute(db, inviting)
  const [made] = await execute<{ made: number }>(db, `select ${strangersSchema}.invite($1) as made`, [JSON.stringify([...calls.values()])])
  return made!.made
}

/** The functions and operators of strangers that a statement calls. */
export async function strangersIn(db: Kysely<{}>, tree: NodeTree): Promise<string[]> {
  const calls = callsOf(tree).map(({ kind, oid }) => ({ kind, oid }))
  const found = await execute<{ name: string }>(
    db,
    `select distinct called.name collate "C" as name
    from pg_catalog.jsonb_to_recordset($1::jsonb) as call (kind text, oid oid)
    cross join lateral (
      select call.oid::pg_catalog.regprocedure::text as name, pronamespace as namespace from pg_catalog.pg_proc
      where call.kind operator(pg_catalog.=) 'function' and oid operator(pg_catalog.=) call.oid
      union all
      select call.oid::pg_catalog.regoperator::text, oprnamespace from pg_catalog.pg_operator
      where call.kind operator(pg_catalog.=) 'operator' and oid operator(pg_catalog.=) call.oid
    ) as called
    where called.namespace operator(pg_catalog.=) '${strangersSchema}'::pg_catalog.regnamespace
    order by 1`,
    [JSON.stringify(calls)],
  )
  return found.map(({ name }) => name)
}

const execute = async <Row>(db: Kysely<{}>, statement: string, parameters: readonly unknown[] = []): Promise<Row[]> =>
  (await db.executeQuery<Row>(CompiledQuery.raw(statement, [...parameters]))).rows

/**
 * A call once for each types it might be said to have. Of one with many arguments, whose
 * combinations are too many to make a function of each, one argument differs at a time.
 */
const overloads = ({ args, ...call }: Call) => {
  const combinations = args.reduce((product, types) => product * types.length, 1)
  const variants =
    combinations <= 256
      ? args.reduce<number[][]>((all, types) => all.flatMap((before) => types.map((type) => [...before, type])), [[]])
      : args.flatMap((types, at) => types.map((type) => args.map(([first], place) => (place === at ? type : first!))))
  return variants.map((types) => ({ ...call, args: types }))
}

/**
 * Types come as numbers: below 0 the elements' of an array, from ten thousand million on an array's
 * of that type.
 */
const inviting = `
create function ${strangersSchema}.invite(calls text) returns int4
language plpgsql
set search_path = pg_catalog, pg_temp
as $invite$
declare
  call record;
  made int4 := 0;
  home text := '${strangersSchema}';
begin
  for call in
    with given as (
      select row_number() over () as id, given.*
      from jsonb_to_recordset(calls::jsonb) as given (kind text, aggregates bool, oid oid, result oid, args jsonb, names jsonb)
    ),
    typed as (
      select given.id, at.place,
        case when at.number < 0 then (select typelem from pg_type where oid = plain.oid) else plain.oid end as type
      from given
      cross join lateral jsonb_array_elements_text(given.args) with ordinality as entry (value, place)
      cross join lateral (select entry.value::int8 as number, entry.place) as at
      cross join lateral (
        select case when abs(at.number) >= 10000000000
          then (select typarray from pg_type where pg_type.oid = (abs(at.number) - 10000000000)::oid) else abs(at.number)::oid end as oid
      ) as plain
    ),
    called as (
      select given.kind, given.aggregates, given.result,
        coalesce(proc.proname, operator.oprname) as name,
        coalesce(proc.proretset, false) as many,
        coalesce(aggregate.aggkind, 'n') as aggkind,
        coalesce(aggregate.aggnumdirectargs, 0) as direct,
        array(select typed.type from typed where typed.id = given.id order by typed.place) as types,
        array(select name from jsonb_array_elements_text(given.names) with ordinality as at (name, place) order by place) as names
      from given
      left join pg_proc as proc on given.kind = 'function' and proc.oid = given.oid
      left join pg_operator as operator on given.kind = 'operator' and operator.oid = given.oid
      left join pg_aggregate as aggregate on proc.oid = aggregate.aggfnoid
    )
    select distinct on (kind, name, types) called.*,
      array(
        select coalesce(quote_ident(argument) || ' ', '') || format_type(type, null)
        from unnest(types, names) with ordinality as at (type, argument, place) order by place
      ) as args,
      format_type(result, null) as gives
    from called
    -- No function of a stranger's takes or gives a pseudo-type, records aside.
    where not exists (
      select from unnest(types || result) as used (oid) left join pg_type as type on type.oid = used.oid
      where type.oid is null or type.typtype = 'p' and type.oid <> 'record'::regtype
    )
      and not exists (
        select from pg_proc where called.kind = 'function' and pronamespace = 'pg_catalog'::regnamespace and proname = called.name
          and proargtypes::text = array_to_string(called.types, ' ')
      )
      and not exists (
        select from pg_operator where called.kind = 'operator' and oprnamespace = 'pg_catalog'::regnamespace and oprname = called.name
          and array[oprleft, oprright] = (case cardinality(called.types) when 1 then array[0::oid] else array[]::oid[] end || called.types)
      )
    order by kind, name, types, aggregates desc, result
  loop
    made := made + 1;
    if call.aggregates then
      -- Of an aggregate with WITHIN GROUP the first arguments are for the last step only.
      execute format(
        'create function %I.%I(%s) returns %s language plpgsql as $$begin raise exception ''a stranger ran: %I''; end$$',
        home, 'step_' || made, array_to_string(call.gives || call.args[call.direct + 1 :], ', '), call.gives, call.name
      );
      execute format(
        'create aggregate %I.%I(%s) (sfunc = %I.%I, stype = %s)',
        home, call.name,
        case call.aggkind
          when 'n' then coalesce(nullif(array_to_string(call.args, ', '), ''), '*')
          else array_to_string(call.args[: call.direct], ', ') || ' order by ' || array_to_string(call.args[call.direct + 1 :], ', ')
        end,
        home, 'step_' || made, call.gives
      );
      continue;
    end if;
    execute format(
      'create function %I.%I(%s) returns %s%s language plpgsql as $$begin raise exception ''a stranger ran: %s''; end$$',
      home, case call.kind when 'operator' then 'operator_' || made else call.name end,
      array_to_string(call.args, ', '), case when call.many then 'setof ' else '' end, call.gives, replace(call.name, '%', '%%')
    );
    if call.kind = 'operator' then
      execute format(
        'create operator %I.%s (function = %I.%I, %s)', home, call.name, home, 'operator_' || made,
        case cardinality(call.args)
          when 1 then 'rightarg = ' || call.args[1]
          else 'leftarg = ' || call.args[1] || ', rightarg = ' || call.args[2]
        end
      );
    end if;
  end loop;
  return made;
end
$invite$`
