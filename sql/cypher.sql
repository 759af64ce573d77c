-- requires: age
-- Cypher as typed rows, for any role on a connection that has no AGE settings: the search path is a
-- setting of these functions, and reading an agtype loads the library. `pgvantage grants` lists the
-- rights that a role needs.
--
-- The library checks what a text may call. These functions keep the text inside its quotes, name
-- its graph and give its columns their types.

-- The value itself, or an error if AGE has lost part of it. Before 1.7, AGE writes wrongly what
-- follows a vertex, edge or path in a list or map: strings become empty, numerics and containers
-- arbitrary (apache/age#241).
create or replace function @extschema@.agtype_whole(value ag_catalog.agtype) returns ag_catalog.agtype
language plpgsql stable strict
set search_path = ag_catalog, pg_catalog, pg_temp
as $$
declare
  written text := agtype_out(value);
  parts agtype[];
  part agtype;
  entity_before bool := false;
begin
  if written !~ '::(vertex|edge|path).*[]}]$'
    or (select string_to_array(extversion, '.')::int4[] >= '{1,7}' from pg_extension where extname = 'age') then
    return value;
  end if;
  if left(written, 1) = '[' then
    parts := array(select agtype_array_element(value, place) from generate_series(0, agtype_to_int4(age_size(value)) - 1) as place order by place);
  else
    parts := array(
      select agtype_object_field(value, agtype_to_text(agtype_array_element(age_keys(value), place)))
      from generate_series(0, agtype_to_int4(age_size(age_keys(value))) - 1) as place
      order by place
    );
  end if;
  foreach part in array parts loop
    written := agtype_out(part);
    if written ~ '::(vertex|edge|path)$' then
      entity_before := true;
    elsif entity_before and written ~ '^["[{]|::numeric$' then
      raise exception 'Apache AGE before 1.7 loses values beside a vertex, edge or path in a list or map: return them as separate columns'
        using errcode = 'feature_not_supported';
    else
      perform @extschema@.agtype_whole(part);
    end if;
  end loop;
  return value;
end
$$;

-- An agtype as jsonb, digit for digit. A vertex is {id, label, properties}, an edge {id, label,
-- start_id, end_id, properties}, a path {vertices, edges}; their ids are strings. Numbers that
-- JavaScript cannot hold are strings too, as to_jsonb does for an infinity: integers beyond 2 ^ 53,
-- numerics, Infinity, -Infinity and NaN. The null of agtype is null. A value of another kind than
-- the one asked for is an error.
create or replace function @extschema@.agtype_jsonb(value ag_catalog.agtype, asked text default '') returns jsonb
language plpgsql stable strict
set search_path = ag_catalog, pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
declare
  written text := agtype_out(value);
  kind text := case
    when right(written, 8) = '::vertex' then 'vertex'
    when right(written, 6) = '::edge' then 'edge'
    when right(written, 6) = '::path' then 'path'
    when right(written, 9) = '::numeric' then 'numeric'
    when left(written, 1) = '[' then 'list'
    when left(written, 1) = '{' then 'map'
    else 'scalar'
  end;
begin
  if written = 'null' then
    return null;
  elsif asked not in ('', kind) then
    raise exception 'a column is declared as % and holds %', asked, left(written, 80) using errcode = 'datatype_mismatch';
  elsif kind = 'vertex' then
    return jsonb_build_object(
      'id', agtype_out(age_id(value))::text,
      'label', agtype_to_text(age_label(value)),
      'properties', @extschema@.agtype_jsonb(age_properties(value))
    );
  elsif kind = 'edge' then
    return jsonb_build_object(
      'id', agtype_out(age_id(value))::text,
      'label', agtype_to_text(age_label(value)),
      'start_id', agtype_out(age_start_id(value))::text,
      'end_id', agtype_out(age_end_id(value))::text,
      'properties', @extschema@.agtype_jsonb(age_properties(value))
    );
  elsif kind = 'path' then
    return jsonb_build_object(
      'vertices', @extschema@.agtype_jsonb(age_nodes(value)),
      'edges', @extschema@.agtype_jsonb(age_relationships(value))
    );
  elsif kind = 'numeric' then
    return to_jsonb(left(written, -9));
  -- Plain JSON: outside of its strings it has no annotation, no infinity, and no integer that may
  -- be too long.
  elsif written !~ '::|Infinity|NaN|[0-9]{16}' or regexp_replace(written, '"(?:[^"\\]|\\.)*"', '', 'g') !~ '::|[IN]|[0-9]{16}' then
    return written::jsonb;
  end if;
  perform @extschema@.agtype_whole(value);
  if kind = 'list' then
    return (
      select jsonb_agg(coalesce(@extschema@.agtype_jsonb(agtype_array_element(value, place)), 'null') order by place)
      from generate_series(0, agtype_to_int4(age_size(value)) - 1) as place
    );
  elsif kind = 'map' then
    return (
      select jsonb_object_agg(field.name, coalesce(@extschema@.agtype_jsonb(agtype_object_field(value, field.name)), 'null'))
      from (
        select agtype_to_text(agtype_array_element(age_keys(value), place)) as name
        from generate_series(0, agtype_to_int4(age_size(age_keys(value))) - 1) as place
      ) as field
    );
  elsif written ~ '[.e]' or written !~ '[IN]' and abs(written::numeric) <= 9007199254740991 then
    return written::jsonb;
  end if;
  return to_jsonb(written);
end
$$;

-- The statement that runs a text on a graph and gives each column the type named in `kinds`. `wide`
-- names the functions in the text that AGE gets wrong with 32-bit pointers, as in WebAssembly:
-- left('abc', 2) is 'abc' there.
create or replace function @extschema@.cypher_statement(graph text, query text, kinds text[], wide text, with_params bool) returns text
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
as $$
declare
  -- The schema of our functions, in quotes that no schema name can end.
  ours constant text := $schema$@extschema@.$schema$;
  casts text;
  fields text;
begin
  if strpos(query, '$pgvantage_cypher$') > 0 then
    raise exception 'the text must not hold $pgvantage_cypher$, which encloses it' using errcode = 'invalid_parameter_value';
  elsif wide <> '' and version() like '%32-bit%' then
    raise exception 'Apache AGE compiled for 32 bits answers % wrongly: take texts apart in SQL, and name the ends of an edge in its pattern', wide
      using errcode = 'feature_not_supported';
  end if;
  select
    string_agg(
      case
        when kind in ('int8', 'int4', 'float8', 'bool') then format('c%s::%s', place, kind)
        when kind in ('numeric', 'timestamptz') then format('agtype_to_text(c%s)::%s', place, kind)
        when kind in ('vertex', 'edge', 'path', 'map', 'list') then format('%sagtype_jsonb(c%s, %L)', ours, place, kind)
        when kind = 'agtype' then format(
          'case when agtype_out(c%1$s)::text ~ ''::(vertex|edge|path).*[]}]$'' then agtype_out(%2$sagtype_whole(c%1$s))::text else agtype_out(c%1$s)::text end',
          place, ours
        )
        -- AGE 1.5 converts only scalars to text, later versions convert everything.
        when kind = 'text' then format(
          'case when left(agtype_out(c%1$s)::text, 1) in (''{'', ''['') then agtype_out(%2$sagtype_whole(c%1$s))::text else agtype_to_text(c%1$s) end',
          place, ours
        )
      end,
      ', ' order by place
    ),
    string_agg(format('c%s agtype', place), ', ' order by place)
  into casts, fields
  from unnest(kinds) with ordinality as given (kind, place);
  return format(
    E'select %s from cypher(%L, $pgvantage_cypher$\n%s\n$pgvantage_cypher$%s) as (%s)',
    casts, graph, query, case when with_params then ', $1' else '' end, fields
  );
end
$$;

-- Raises an error of AGE as one sentence for the author of the text. `newer` names what the text
-- uses that only newer versions of AGE know.
create or replace function @extschema@.cypher_failure(graph text, code text, message text, newer text) returns void
language plpgsql stable
set search_path = pg_catalog, pg_temp
as $$
declare
  age text := 'Apache AGE ' || (select extversion from pg_extension where extname = 'age');
begin
  if code = '3F000' and message like format('graph "%s" %%', graph) then
    raise exception 'graph % does not exist: this tenant''s call graph was never refreshed, nor anything mirrored', graph using errcode = code;
  elsif code = '42501' then
    raise exception '%', message using errcode = code,
      hint = format(
        'Cypher needs: grant usage on schema ag_catalog, %1$I to ROLE; grant select on all tables in schema ag_catalog, %1$I to ROLE;'
        ' and to write: grant insert, update, delete on all tables in schema %1$I to ROLE; `pgvantage grants` prints all that a role needs.', graph
      );
  elsif code = '42601' and newer <> '' then
    raise exception '% does not know %: %', age, newer, message using errcode = 'feature_not_supported';
  elsif code = '42804' and message like 'return row and column definition list%' then
    raise exception 'the text returns another number of columns than are declared' using errcode = code;
  elsif code in ('42601', '42883', '42703') then
    raise exception '% does not understand the text: %', age, message using errcode = code;
  end if;
  raise exception '%', message using errcode = code;
end
$$;

-- The rows of a text that only reads, in the snapshot of its statement. `params` is a map written
-- as agtype, or null.
create or replace function @extschema@.cypher_read(graph text, query text, params text, kinds text[], newer text, wide text) returns setof record
language plpgsql stable rows 1000
set search_path = ag_catalog, pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
begin
  perform '0'::ag_catalog.agtype;
  return query execute @extschema@.cypher_statement(graph, query, kinds, wide, params is not null) using params::ag_catalog.agtype;
exception
  when syntax_error_or_access_rule_violation or syntax_error or undefined_function or undefined_column or datatype_mismatch
    or invalid_schema_name or insufficient_privilege then
    perform @extschema@.cypher_failure(graph, sqlstate, sqlerrm, newer);
end
$$;

-- The same for a text that writes. AGE 1.5 checks no rights when SET and DELETE write, so they are
-- checked here.
create or replace function @extschema@.cypher_write(graph text, query text, params text, kinds text[], newer text, wide text) returns setof record
language plpgsql volatile rows 1000
set search_path = ag_catalog, pg_catalog, pg_temp
set standard_conforming_strings = on
as $$
begin
  if exists (
    select from pg_class
    where relnamespace = to_regnamespace(quote_ident(graph)) and relkind = 'r'
      and not (has_table_privilege(oid, 'insert') and has_table_privilege(oid, 'update') and has_table_privilege(oid, 'delete'))
  ) then
    raise exception 'permission denied to write to graph %', graph using errcode = 'insufficient_privilege';
  end if;
  perform '0'::ag_catalog.agtype;
  return query execute @extschema@.cypher_statement(graph, query, kinds, wide, params is not null) using params::ag_catalog.agtype;
exception
  when syntax_error_or_access_rule_violation or syntax_error or undefined_function or undefined_column or datatype_mismatch
    or invalid_schema_name or insufficient_privilege then
    perform @extschema@.cypher_failure(graph, sqlstate, sqlerrm, newer);
end
$$;
