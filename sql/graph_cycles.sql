-- Cycles of a graph that is given as two arrays.

-- Removes edges that obviously lie on no cycle: no edge leads to their beginning, or none leaves
-- their end. Repeated while it removes a tenth of them, so the time is linear in their number: most
-- of a call graph is leaves.
create or replace function @extschema@.graph_core(sources int8[], targets int8[])
returns table (src int8, dst int8)
language plpgsql immutable parallel safe rows 1000
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
declare
  tails int8[] := sources;
  heads int8[] := targets;
  before int4;
begin
  loop
    before := cardinality(tails);
    select array_agg(edge.tail), array_agg(edge.head) into tails, heads
    from unnest(tails, heads) as edge (tail, head)
    where edge.tail in (select unnest(heads)) and edge.head in (select unnest(tails));
    exit when (cardinality(tails) < 0.9 * before) is not true;
  end loop;
  return query select * from unnest(tails, heads);
end
$$;

-- For each strongly connected component with a cycle (Tarjan, Depth-First Search and Linear Graph
-- Algorithms, 1972): its vertices, sorted by id, and one of its shortest cycles. Of several it is
-- the one with the lowest id, then with the lowest ids that follow; it begins with the lowest. A
-- breadth-first search from each vertex, in the order of ids, looks for a cycle shorter than the
-- best so far. Then the vertex is removed, and so is what no edge leads to any more. At most
-- vertices times edges steps, in practice near linear.
create or replace function @extschema@.graph_cycles(src int8[], dst int8[])
returns table (members int8[], cycle int8[])
language plpgsql immutable parallel safe rows 100
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
declare
  ids int8[] := array(select distinct vertex from unnest(graph_cycles.src || graph_cycles.dst) as vertex order by vertex);
  n int4 := cardinality(ids);
  tail int4[];
  head int4[];
  first int4[];
  -- Tarjan's search: when a vertex was met, the earliest vertex that it can return to, its next
  -- edge, and the stack.
  met int4[] := array_fill(0, array[n]);
  low int4[] := array_fill(0, array[n]);
  turn int4[];
  waiting int4[] := '{}';
  waiting_size int4 := 0;
  line int4[] := '{}';
  depth int4;
  counter int4 := 0;
  component int4[] := array_fill(0, array[n]);
  components int4 := 0;
  -- The search for a shortest cycle.
  incoming int4[] := array_fill(0, array[n]);
  gone bool[] := array_fill(false, array[n]);
  seen int4[] := array_fill(0, array[n]);
  via int4[] := array_fill(0, array[n]);
  distance int4[] := array_fill(0, array[n]);
  queue int4[] := '{}';
  queued int4;
  done int4;
  shortest int4;
  closing int4;
  vertex int4;
  other int4;
  numbers int4[];
begin
  if n = 0 then
    return;
  end if;
  select array_agg(edge.tail order by edge.tail, edge.head), array_agg(edge.head order by edge.tail, edge.head)
  into tail, head
  from (
    select distinct source.number::int4 as tail, target.number::int4 as head
    from unnest(graph_cycles.src, graph_cycles.dst) as edge (src, dst)
    join unnest(ids) with ordinality as source (id, number) on source.id = edge.src
    join unnest(ids) with ordinality as target (id, number) on target.id = edge.dst
  ) as edge;
  first := array_fill(cardinality(head) + 1, array[n + 1]);
  for edge in reverse cardinality(head) .. 1 loop
    first[tail[edge]] := edge;
  end loop;
  for place in reverse n .. 1 loop
    if first[place] > first[place + 1] then
      first[place] := first[place + 1];
    end if;
  end loop;

  turn := first;
  for root in 1 .. n loop
    continue when met[root] > 0;
    depth := 1;
    line[1] := root;
    other := root;
    loop
      if met[other] = 0 then
        counter := counter + 1;
        met[other] := counter;
        low[other] := counter;
        waiting_size := waiting_size + 1;
        waiting[waiting_size] := other;
      end if;
      vertex := line[depth];
      if turn[vertex] < first[vertex + 1] then
        other := head[turn[vertex]];
        turn[vertex] := turn[vertex] + 1;
        if met[other] = 0 then
          depth := depth + 1;
          line[depth] := other;
        elsif component[other] = 0 and met[other] < low[vertex] then
          low[vertex] := met[other];
        end if;
        continue;
      end if;
      if low[vertex] = met[vertex] then
        components := components + 1;
        loop
          other := waiting[waiting_size];
          waiting_size := waiting_size - 1;
          component[other] := components;
          exit when other = vertex;
        end loop;
      end if;
      depth := depth - 1;
      exit when depth = 0;
      if low[vertex] < low[line[depth]] then
        low[line[depth]] := low[vertex];
      end if;
    end loop;
  end loop;

  for edge in 1 .. cardinality(head) loop
    if component[tail[edge]] = component[head[edge]] then
      incoming[head[edge]] := incoming[head[edge]] + 1;
    end if;
  end loop;
  for numbers in
    select array_agg(member.number::int4 order by member.number)
    from unnest(component) with ordinality as member (component, number)
    group by member.component
    having count(*) > 1 or bool_or(incoming[member.number] > 0)
  loop
    members := array(select ids[number] from unnest(numbers) as number);
    shortest := cardinality(numbers) + 1;
    foreach vertex in array numbers loop
      exit when shortest = 1;
      continue when gone[vertex];
      queue[1] := vertex;
      queued := 1;
      done := 0;
      seen[vertex] := vertex;
      distance[vertex] := 0;
      closing := null;
      while done < queued and closing is null loop
        done := done + 1;
        other := queue[done];
        exit when distance[other] + 1 >= shortest;
        for edge in first[other] .. first[other + 1] - 1 loop
          if head[edge] = vertex then
            closing := other;
            exit;
          end if;
          continue when gone[head[edge]] or seen[head[edge]] = vertex or component[head[edge]] <> component[vertex];
          seen[head[edge]] := vertex;
          via[head[edge]] := other;
          distance[head[edge]] := distance[other] + 1;
          queued := queued + 1;
          queue[queued] := head[edge];
        end loop;
      end loop;
      if closing is not null then
        shortest := distance[closing] + 1;
        cycle := array[ids[closing]];
        while closing <> vertex loop
          closing := via[closing];
          cycle := ids[closing] || cycle;
        end loop;
      end if;
      gone[vertex] := true;
      queue[1] := vertex;
      queued := 1;
      done := 0;
      while done < queued loop
        done := done + 1;
        other := queue[done];
        for edge in first[other] .. first[other + 1] - 1 loop
          continue when gone[head[edge]] or component[head[edge]] <> component[other];
          incoming[head[edge]] := incoming[head[edge]] - 1;
          if incoming[head[edge]] = 0 then
            gone[head[edge]] := true;
            queued := queued + 1;
            queue[queued] := head[edge];
          end if;
        end loop;
      end loop;
    end loop;
    return next;
  end loop;
end
$$;
