-- requires: age
-- The tenant's graph in Apache AGE. Any role can create, drop and read it, on a connection that has
-- no AGE settings.
--
-- AGE needs its library loaded and ag_catalog on the search path. Each function here provides both:
-- the path is a setting of the function, and reading an agtype loads the library, which needs no
-- right (LOAD does). `pgvantage grants` lists the rights that a role needs.
--
-- Anybody who may create schemas can create one with the name of a graph. A graph counts as
-- pgvantage's if its schema and tables belong to a role that may execute graph_prepare: the owner
-- of this installation, and roles that the owner has granted it.

-- A vertex has the graphid (label, resource_id): an edge is found from its two resources, and the
-- resources from an edge, without a join. Vertices created in Cypher take their ids from the
-- label's sequence, which begins above every resource_id (2 ^ 47).

-- Waits until no other transaction mirrors into this graph or drops it, and keeps others out until
-- this one ends. Readers never wait.
create or replace function @extschema@.graph_turn(graph text) returns void
language sql volatile strict
set search_path = pg_catalog, pg_temp
as $$
  select pg_advisory_xact_lock(hashtextextended('pgvantage graph ' || graph, 0))
$$;

-- Takes its turn, then creates what is missing of the graph, its vertex label and the edge label.
create or replace function @extschema@.graph_prepare(graph text, edge_label text default 'CALLS') returns void
language plpgsql volatile strict
set search_path = ag_catalog, pg_catalog, pg_temp
set client_min_messages = warning
as $$
declare
  edge_end text;
  index_name text;
  graph_owner text;
  reader text;
begin
  perform @extschema@.graph_turn(graph);
  perform '0'::ag_catalog.agtype;
  select pg_get_userbyid(nspowner) into graph_owner from pg_namespace where nspname = graph;
  if graph_owner is null then
    execute format('select create_graph(%L)', graph);
  elsif not has_function_privilege(graph_owner, $function$@extschema@.graph_prepare(text, text)$function$, 'execute') then
    raise exception 'schema % belongs to %, who may not create graphs here: it does not count as a graph of pgvantage', graph, graph_owner
      using errcode = 'insufficient_privilege', hint = 'Have it dropped or renamed, or grant its owner what `pgvantage grants --role refresher` lists.';
  elsif _label_id(graph::name, '_ag_label_vertex'::name) = 0 then
    raise exception 'schema % is not a graph that Apache AGE knows, as after a restore that could not write to ag_catalog', graph
      using errcode = 'object_not_in_prerequisite_state', hint = 'Drop it with call_graph_drop, then refresh or mirror the graph again.';
  end if;
  if exists (
    select from (values ('Resource', 'v'), (edge_label, 'e')) as wanted (name, kind)
    join pg_class as class on class.relnamespace = graph::regnamespace and class.relname = wanted.name
    where has_function_privilege(class.relowner, $function$@extschema@.graph_prepare(text, text)$function$, 'execute')
      and not exists (select from ag_label as label where label.relation = class.oid and label.kind::text = wanted.kind)
  ) then
    raise exception 'is the name of something else in the graph' using errcode = 'wrong_object_type';
  end if;
  -- A table of another role with the name of a label would be written to with the caller's rights.
  perform @extschema@.graph_table(graph, 'Resource'), @extschema@.graph_table(graph, edge_label);
  if to_regclass(format('%I.%I', graph, 'Resource')) is null then
    -- Untyped literals, because the arguments are name before AGE 1.6 and cstring from then on.
    execute format('select create_vlabel(%L, %L)', graph, 'Resource');
    -- From 1.6 on AGE creates the keys of its label tables itself.
    if not exists (select from pg_index where indisprimary and indrelid = to_regclass(format('%I."Resource"', graph))) then
      execute format('alter table %I."Resource" add primary key (id)', graph);
    end if;
    execute format(
      'create index on %I."Resource" (agtype_access_operator(variadic array[properties, ''"resource_id"''::agtype]))', graph
    );
    perform setval(format('%I.%I', graph, 'Resource_id_seq')::regclass, (1::int8 << 47));
  end if;
  if to_regclass(format('%I.%I', graph, edge_label)) is null then
    execute format('select create_elabel(%L, %L)', graph, edge_label);
    execute format('create unique index on %I.%I (start_id, end_id)', graph, edge_label);
    -- AGE's own name for it: from 1.6 on AGE creates this index itself.
    execute format('create index if not exists %I on %I.%I (end_id)', edge_label || '_end_id_idx', graph, edge_label);
  end if;
  -- Graphs of an older pgvantage get the following at their next write. A refresh changes the
  -- properties of most edges. With free space on its page an edge is updated there, and no index
  -- changes.
  if not exists (
    select from pg_class, unnest(reloptions) as option where oid = to_regclass(format('%I.%I', graph, edge_label)) and option like 'fillfactor=%'
  ) then
    execute format('alter table %I.%I set (fillfactor = 50)', graph, edge_label);
  end if;
  -- The ends as activeCalls and graph_edges write them. With both ends in it a walk reads only the
  -- index.
  foreach edge_end in array array['start_id', 'end_id'] loop
    index_name := edge_label || '_' || edge_end || '_resource_idx';
    if to_regclass(format('%I.%I', graph, index_name)) is null then
      execute format(
        'create index %I on %I.%I ((%I::text::int8 & 281474976710655)) include (start_id, end_id)', index_name, graph, edge_label, edge_end
      );
    end if;
  end loop;
  -- Roles that may ask for the edges of a graph may read its tables. This covers new graphs, new
  -- labels, and roles granted since.
  for reader in
    select pg_get_userbyid(granted.grantee)
    from pg_proc as routine
    cross join aclexplode(routine.proacl) as granted
    join pg_namespace as namespace on namespace.nspname = graph
    where routine.oid = $function$@extschema@.graph_edges(text, text)$function$::regprocedure
      and granted.grantee not in (0, namespace.nspowner)
      and pg_has_role(namespace.nspowner, 'usage')
      and (
        not has_schema_privilege(granted.grantee, namespace.oid, 'usage')
        or exists (
          select from pg_class as label
          where label.relnamespace = namespace.oid and label.relkind = 'r' and not has_table_privilege(granted.grantee, label.oid, 'select')
        )
      )
  loop
    execute format('grant usage on schema %I to %I', graph, reader);
    execute format('grant select on all tables in schema %I to %I', graph, reader);
  end loop;
end
$$;

-- The table of a label; null if there is none.
create or replace function @extschema@.graph_table(graph text, label text) returns regclass
language plpgsql stable strict
set search_path = pg_catalog, pg_temp
as $$
declare
  held record;
begin
  select
    class.oid,
    class.relkind = 'r'
      and has_function_privilege(class.relowner, $function$@extschema@.graph_prepare(text, text)$function$, 'execute')
      and has_function_privilege(namespace.nspowner, $function$@extschema@.graph_prepare(text, text)$function$, 'execute') as ours
  into held
  from pg_class as class
  join pg_namespace as namespace on namespace.oid = class.relnamespace
  where namespace.nspname = graph and class.relname = label;
  if not held.ours then
    raise exception '%.% is not a table of a role that may create graphs here: it does not count as a table of pgvantage', graph, label
      using errcode = 'insufficient_privilege', hint = 'Have it dropped or renamed, or grant its owner what `pgvantage grants --role refresher` lists.';
  end if;
  return held.oid;
end
$$;

-- Drops a graph with everything in it. A missing graph is not an error and needs no AGE; a graph
-- that is not pgvantage's stays. Nobody can mirror into it until the transaction ends.
create or replace function @extschema@.call_graph_drop(graph text) returns void
language plpgsql volatile strict
set search_path = ag_catalog, pg_catalog, pg_temp
set client_min_messages = warning
as $$
begin
  perform @extschema@.graph_turn(graph);
  if exists (
    select from pg_namespace
    where nspname = graph and has_function_privilege(nspowner, $function$@extschema@.graph_prepare(text, text)$function$, 'execute')
      and to_regclass(format('%I._ag_label_vertex', graph)) is not null
  ) then
    perform '0'::ag_catalog.agtype;
    if _label_id(graph::name, '_ag_label_vertex'::name) <> 0 then
      execute format('select drop_graph(%L, true)', graph);
    else
      execute format('drop schema %I cascade', graph);
    end if;
  end if;
end
$$;

-- The edges of one label with their two resources; no rows if the graph or the label was never
-- created.
create or replace function @extschema@.graph_edges(graph text, edge_label text default 'CALLS')
returns table (src int8, dst int8, properties ag_catalog.agtype)
language plpgsql stable strict rows 10000
set search_path = ag_catalog, pg_catalog, pg_temp
as $$
begin
  if @extschema@.graph_table(graph, edge_label) is not null then
    return query execute format(
      'select
         start_id::text::int8 & 281474976710655,
         end_id::text::int8 & 281474976710655,
         properties
       from %I.%I',
      graph, edge_label
    );
  end if;
end
$$;

-- The vertices that stand for resources, by resource; no rows if the graph was never created.
create or replace function @extschema@.graph_vertices(graph text)
returns table (resource_id int8, properties ag_catalog.agtype)
language plpgsql stable strict rows 10000
set search_path = ag_catalog, pg_catalog, pg_temp
as $$
begin
  if @extschema@.graph_table(graph, 'Resource') is not null then
    return query execute format('select id::text::int8 & 281474976710655, properties from %I."Resource"', graph);
  end if;
end
$$;

-- The edges of the active call graph, with their properties as columns.
create or replace function @extschema@.call_graph_edges(graph text)
returns table (src int8, dst int8, rps float8, err_rate float8, p50_ms float8, p95_ms float8, first_seen timestamptz, last_seen timestamptz)
language plpgsql stable strict rows 10000
set search_path = ag_catalog, pg_catalog, pg_temp
as $$
begin
  if @extschema@.graph_table(graph, 'CALLS') is not null then
    return query execute format(
      'select
         start_id::text::int8 & 281474976710655,
         end_id::text::int8 & 281474976710655,
         agtype_object_field_text(properties, ''rps'')::float8,
         agtype_object_field_text(properties, ''err_rate'')::float8,
         agtype_object_field_text(properties, ''p50_ms'')::float8,
         agtype_object_field_text(properties, ''p95_ms'')::float8,
         agtype_object_field_text(properties, ''first_seen'')::timestamptz,
         agtype_object_field_text(properties, ''last_seen'')::timestamptz
       from %I."CALLS"',
      graph
    );
  end if;
end
$$;
