-- Shortest paths over a graph given as arrays. Vertices are numbered from 1 in the order of their
-- ids. The edges that leave vertex v are first[v] up to, but not including, first[v + 1]; head[]
-- says where they lead. It uses loops over arrays, because each step of a search depends on the one
-- before.

-- Dijkstra's search (A Note on Two Problems in Connexion with Graphs, 1959). `remaining` speeds it
-- up: the distance of every vertex from the goal (Hart, Nilsson and Raphael, A Formal Basis for the
-- Heuristic Determination of Minimum Cost Paths, 1968); null for a vertex that cannot reach the
-- goal.
-- `path` and `costs` are the vertices of the best path from `start` to `goal` and the cost of each
-- from the beginning, which includes `spent`, the cost before the start; null if there is no path.
-- Of several paths of equal cost it is the one with the fewest edges, then with the lowest vertices
-- from the start on. The search does not enter a vertex that is `closed`, leaves the start for no
-- vertex of `skip`, and ignores what costs more than `bound`. Without a goal it goes everywhere,
-- and `distances` has the cost of each vertex.
create or replace function @extschema@.graph_search(
  first int4[], head int4[], length float8[], remaining float8[], start int4, goal int4, spent float8, closed bool[], skip int4[], bound float8,
  out path int4[], out costs float8[], out distances float8[]
)
language plpgsql immutable parallel safe
set search_path = pg_catalog, pg_temp
as $$
declare
  n int4 := cardinality(first) - 1;
  cost float8[] := array_fill(null::float8, array[n]);
  hops int4[] := array_fill(0, array[n]);
  via int4[] := array_fill(0, array[n]);
  -- A binary heap by cost plus what remains, then by hops. An improved vertex is in it twice: its
  -- old entry is skipped.
  size int4 := 1;
  heap_cost float8[] := array[spent];
  heap_hops int4[] := array[0];
  heap_vertex int4[] := array[start];
  vertex int4;
  total float8;
  hop int4;
  other int4;
  reached float8;
  whole float8;
  better bool;
  mine int4;
  theirs int4;
  my_turn int4;
  their_turn int4;
  at int4;
  next int4;
begin
  cost[start] := spent;
  while size > 0 loop
    vertex := heap_vertex[1];
    total := heap_cost[1];
    hop := heap_hops[1];
    -- The last entry moves to the top and sinks.
    whole := heap_cost[size];
    mine := heap_hops[size];
    theirs := heap_vertex[size];
    size := size - 1;
    at := 1;
    loop
      next := 2 * at;
      exit when next > size;
      if next < size and (heap_cost[next + 1] < heap_cost[next] or (heap_cost[next + 1] = heap_cost[next] and heap_hops[next + 1] < heap_hops[next])) then
        next := next + 1;
      end if;
      exit when whole < heap_cost[next] or (whole = heap_cost[next] and mine <= heap_hops[next]);
      heap_cost[at] := heap_cost[next];
      heap_hops[at] := heap_hops[next];
      heap_vertex[at] := heap_vertex[next];
      at := next;
    end loop;
    heap_cost[at] := whole;
    heap_hops[at] := mine;
    heap_vertex[at] := theirs;

    exit when vertex = goal;
    continue when hop > hops[vertex] or total > cost[vertex] + coalesce(remaining[vertex], 0);

    for edge in first[vertex] .. first[vertex + 1] - 1 loop
      other := head[edge];
      continue when closed[other];
      continue when vertex = start and other = any(skip);
      reached := cost[vertex] + length[edge];
      whole := case when remaining is null then reached else reached + remaining[other] end;
      -- Also true if `remaining` is null, because the goal cannot be reached from there.
      continue when (whole <= bound) is not true;
      better := cost[other] is null or reached < cost[other] or (reached = cost[other] and hop + 1 < hops[other]);
      if not better then
        continue when reached > cost[other] or hop + 1 > hops[other] or via[other] = vertex;
        -- As good as the known path: at the fork the lower vertex decides.
        mine := vertex;
        theirs := via[other];
        while mine <> theirs loop
          my_turn := mine;
          their_turn := theirs;
          mine := via[mine];
          theirs := via[theirs];
        end loop;
        if my_turn < their_turn then
          via[other] := vertex;
        end if;
        continue;
      end if;
      cost[other] := reached;
      hops[other] := hop + 1;
      via[other] := vertex;
      size := size + 1;
      at := size;
      while at > 1 loop
        next := at / 2;
        exit when heap_cost[next] < whole or (heap_cost[next] = whole and heap_hops[next] <= hop + 1);
        heap_cost[at] := heap_cost[next];
        heap_hops[at] := heap_hops[next];
        heap_vertex[at] := heap_vertex[next];
        at := next;
      end loop;
      heap_cost[at] := whole;
      heap_hops[at] := hop + 1;
      heap_vertex[at] := other;
    end loop;
  end loop;

  if goal is null then
    distances := cost;
  elsif cost[goal] is not null then
    vertex := goal;
    for back in 0 .. hops[goal] loop
      path := vertex || path;
      costs := cost[vertex] || costs;
      vertex := via[vertex];
    end loop;
  end if;
end
$$;

-- The best paths from `source` to `target` that visit no vertex twice, best first: by cost, then by
-- edges, then by vertices from the source on; one row for each vertex. After each path, the best
-- paths that leave it at each of its vertices become candidates for the next (Yen, Finding the K
-- Shortest Loopless Paths in a Network, 1971). Each candidate is searched for once (Lawler, A
-- Procedure for Computing the K Best Solutions ..., 1972). Only edges between `vertices` count, the
-- shortest of several between the same two. An edge without a length, or with an infinite one, is
-- not walked. Paths that cost more than `bound` are ignored.
create or replace function @extschema@.graph_shortest_paths(
  vertices int8[], src int8[], dst int8[], length float8[], source int8, target int8, paths int4, bound float8
)
returns table (path int4, step int4, id int8, edge_length float8, cost float8)
language plpgsql immutable parallel safe rows 100
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
#variable_conflict use_column
declare
  ids int8[];
  tail int4[];
  head int4[];
  lengths float8[];
  first int4[];
  remaining float8[];
  start int4;
  goal int4;
  closed bool[];
  skip int4[];
  way record;
  -- The paths of the answer, one after the other, and the beginning of each.
  given int4[] := '{}';
  given_first int4[] := array[1];
  -- The candidates in the same form, their total costs, and where each left its path; a null cost
  -- marks one that is already in the answer.
  rival int4[] := '{}';
  rival_costs float8[] := '{}';
  rival_first int4[] := array[1];
  rival_total float8[] := '{}';
  rival_spur int4[] := '{}';
  current int4[];
  current_costs float8[];
  spur int4 := 1;
  best int4;
  negative record;
begin
  select edge.src, edge.dst, edge.length into negative
  from unnest(graph_shortest_paths.src, graph_shortest_paths.dst, graph_shortest_paths.length) as edge (src, dst, length)
  where edge.length < 0
  order by edge.src, edge.dst
  limit 1;
  if negative.src is not null then
    raise exception 'the length of the edge from % to % is negative: %', negative.src, negative.dst, negative.length
      using errcode = 'invalid_parameter_value', hint = 'A shortest path needs lengths of 0 or more: narrow the frame, or choose another column.';
  end if;
  ids := array(select distinct vertex from unnest(vertices) as vertex order by vertex);
  start := array_position(ids, source);
  goal := array_position(ids, target);
  if start is null or goal is null then
    return;
  end if;

  -- The same edges twice: for the search from the start, and reversed for the distance to the goal.
  for turned in reverse (case when paths > 1 then 1 else 0 end) .. 0 loop
    select array_agg(edge.tail order by edge.tail, edge.head), array_agg(edge.head order by edge.tail, edge.head),
      array_agg(edge.length order by edge.tail, edge.head)
    into tail, head, lengths
    from (
      select
        case turned when 0 then source.number else target.number end::int4 as tail,
        case turned when 0 then target.number else source.number end::int4 as head,
        min(edge.length) as length
      from unnest(graph_shortest_paths.src, graph_shortest_paths.dst, graph_shortest_paths.length) as edge (src, dst, length)
      join unnest(ids) with ordinality as source (id, number) on source.id = edge.src
      join unnest(ids) with ordinality as target (id, number) on target.id = edge.dst
      where edge.length < 'infinity' and edge.src <> edge.dst
      group by 1, 2
    ) as edge;
    first := array_fill(coalesce(cardinality(head), 0) + 1, array[cardinality(ids) + 1]);
    for edge in reverse coalesce(cardinality(head), 0) .. 1 loop
      first[tail[edge]] := edge;
    end loop;
    for vertex in reverse cardinality(ids) .. 1 loop
      if first[vertex] > first[vertex + 1] then
        first[vertex] := first[vertex + 1];
      end if;
    end loop;
    if turned = 1 then
      remaining := (@extschema@.graph_search(first, head, lengths, null, goal, null, 0, null, null, coalesce(bound, 'infinity'))).distances;
    end if;
  end loop;

  select * into way from @extschema@.graph_search(first, head, lengths, remaining, start, goal, 0, null, null, coalesce(bound, 'infinity'));
  current := way.path;
  current_costs := way.costs;
  path := 0;
  while current is not null loop
    path := path + 1;
    for place in 1 .. cardinality(current) loop
      step := place - 1;
      id := ids[current[place]];
      cost := current_costs[place];
      edge_length := null;
      if place > 1 then
        for edge in first[current[place - 1]] .. first[current[place - 1] + 1] - 1 loop
          if head[edge] = current[place] then
            edge_length := lengths[edge];
          end if;
        end loop;
      end if;
      return next;
    end loop;
    exit when path >= paths;
    given := given || current;
    given_first := given_first || (cardinality(given) + 1);

    closed := array_fill(false, array[cardinality(ids)]);
    for place in 1 .. cardinality(current) - 1 loop
      if place > 1 then
        closed[current[place - 1]] := true;
      end if;
      continue when place < spur;
      skip := array[current[place + 1]];
      if place = spur then
        for earlier in 1 .. path - 1 loop
          if given[given_first[earlier] : given_first[earlier] + place - 1] = current[1 : place] then
            skip := skip || given[given_first[earlier] + place];
          end if;
        end loop;
      end if;
      select * into way
      from @extschema@.graph_search(
        first, head, lengths, remaining, current[place], goal, current_costs[place], closed, skip, coalesce(bound, 'infinity')
      );
      continue when way.path is null;
      rival := rival || current[1 : place - 1] || way.path;
      rival_costs := rival_costs || current_costs[1 : place - 1] || way.costs;
      rival_first := rival_first || (cardinality(rival) + 1);
      rival_total := rival_total || rival_costs[cardinality(rival_costs)];
      rival_spur := rival_spur || place;
    end loop;

    best := null;
    for candidate in 1 .. cardinality(rival_total) loop
      continue when rival_total[candidate] is null;
      continue when rival_total[candidate] > rival_total[best];
      if best is not null and rival_total[candidate] = rival_total[best] then
        continue when (
          rival_first[candidate + 1] - rival_first[candidate], rival[rival_first[candidate] : rival_first[candidate + 1] - 1]
        ) > (
          rival_first[best + 1] - rival_first[best], rival[rival_first[best] : rival_first[best + 1] - 1]
        );
      end if;
      best := candidate;
    end loop;
    exit when best is null;
    current := rival[rival_first[best] : rival_first[best + 1] - 1];
    current_costs := rival_costs[rival_first[best] : rival_first[best + 1] - 1];
    spur := rival_spur[best];
    rival_total[best] := null;
  end loop;
end
$$;
