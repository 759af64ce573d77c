-- Walks over edges given as arrays of equal length. Functions and not part of the caller's statement for one reason: they carry planner settings.
-- Nobody can estimate how many edges a frame has or how large a frontier grows, and a nested loop chosen for 10 rows takes seconds on 30,000.

-- Breadth-first search: every vertex within `hops` of the starts, with its least depth and the vertex before it on one shortest path (of several,
-- the heaviest last edge, then the lowest id). One row of the recursion is one level, so the edges are scanned once a level and no vertex is
-- expanded twice.
create or replace function @extschema@.graph_reach(src int8[], dst int8[], weight float8[], starts int8[], hops int4)
returns table (id int8, depth int4, via int8)
language sql immutable parallel safe rows 1000
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
  with recursive edge (src, dst, weight) as materialized (
    select * from unnest(graph_reach.src, graph_reach.dst, graph_reach.weight)
  ),
  level (depth, frontier, visited) as (
    select 0, starts, starts
    union all
    select level.depth + 1, next.frontier, level.visited || next.frontier
    from level
    cross join lateral (
      select array_agg(candidate.id) as frontier
      from (
        select edge.dst from unnest(level.frontier) as at (id) join edge on edge.src = at.id
        except
        select unnest(level.visited)
      ) as candidate (id)
    ) as next
    where level.depth < hops and next.frontier is not null
  ),
  vertex as materialized (
    select distinct found.id, level.depth from level cross join lateral unnest(level.frontier) as found (id)
  ),
  step as materialized (
    select edge.dst as id, vertex.depth + 1 as depth, vertex.id as via, edge.weight
    from edge
    join vertex on vertex.id = edge.src
  )
  select distinct on (vertex.id) vertex.id, vertex.depth, step.via
  from vertex
  join step on step.id = vertex.id and step.depth = vertex.depth
  order by vertex.id, step.weight desc nulls last, step.via
$$;

-- Absorbing random walk: every vertex from which `target` can be reached within `hops`, with the least depth, the probability of coming there when
-- each edge is taken as often as its share of its vertex's outgoing weight, and that weight. Weights count as pgvantage's impact() defines.
create or replace function @extschema@.graph_impact(src int8[], dst int8[], weight float8[], target int8, hops int4)
returns table (id int8, depth int4, share float8, traffic float8)
language sql immutable parallel safe rows 1000
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
  with recursive edge (src, dst, weight) as materialized (
    select given.src, given.dst, greatest(coalesce(given.weight, 1), 0)
    from unnest(graph_impact.src, graph_impact.dst, graph_impact.weight) as given (src, dst, weight)
    where given.src <> given.dst
  ),
  outgoing as materialized (
    select edge.src, sum(edge.weight) as total, count(*) as edges from edge group by edge.src
  ),
  part as materialized (
    select edge.src, edge.dst, case when outgoing.total > 0 then edge.weight / outgoing.total else 1.0::float8 / outgoing.edges end as share
    from edge
    join outgoing on outgoing.src = edge.src
  ),
  level (hop, ids, shares) as (
    select 0, array[target], array[1::float8]
    union all
    select level.hop + 1, next.ids, next.shares
    from level
    cross join lateral (
      select array_agg(walk.id) as ids, array_agg(walk.share) as shares
      from (
        select part.src, sum(part.share * at.share)
        from unnest(level.ids, level.shares) as at (id, share)
        join part on part.dst = at.id
        where part.src <> target
        group by part.src
        union all
        select target, 1
      ) as walk (id, share)
    ) as next
    where level.hop < hops
  )
  select walk.id, min(level.hop), least(max(walk.share), 1), min(outgoing.total)
  from level
  cross join lateral unnest(level.ids, level.shares) as walk (id, share)
  join outgoing on outgoing.src = walk.id
  where walk.id <> target
  group by walk.id
$$;
