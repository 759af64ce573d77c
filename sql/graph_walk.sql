-- Functions that walks over edges need besides SQL itself.

-- The edges, given as arrays of equal length, as rows. The planner does not inline a function with
-- a setting, so its row estimate holds. The planner cannot estimate the edges of a frame, and a
-- nested loop chosen for ten of them takes minutes on 30,000. An estimate of a thousand makes it
-- hash, and is too small for JIT compilation, which takes longer than a walk.
create or replace function @extschema@.graph_walk_edges(src int8[], dst int8[], length float8[])
returns table (src int8, dst int8, length float8)
language sql immutable parallel safe rows 1000
set search_path = pg_catalog, pg_temp
as $$
  select * from unnest(graph_walk_edges.src, graph_walk_edges.dst, graph_walk_edges.length)
$$;

-- Did what graph_walk_edges and the caller's own statement do now.
drop function if exists @extschema@.graph_reach(int8[], int8[], float8[], int8[], int4);

-- The paths from the starts of a breadth-first search to everything it found. The arrays have equal
-- length: what was found, and where it was found from (null: a start). A function because of its
-- setting: each step must be hashed, not compared with everything found.
create or replace function @extschema@.graph_trails(ids int8[], via int8[], urns text[])
returns table (id int8, path text[])
language sql immutable parallel safe rows 1000
set search_path = pg_catalog, pg_temp
set enable_nestloop = off
set jit = off
as $$
  with recursive met (id, via, urn) as materialized (
    select * from unnest(graph_trails.ids, graph_trails.via, graph_trails.urns)
  ),
  trail (id, path) as (
    select met.id, array[met.urn] from met where met.via is null
    union all
    select met.id, trail.path || met.urn from trail join met on met.via = trail.id
  )
  select trail.id, trail.path from trail
$$;

-- An absorbing random walk: every vertex from which `target` can be reached within `hops`, with its
-- smallest depth, the probability of reaching it, and its outgoing weight. Each edge is taken as
-- often as its share of its vertex's outgoing weight. Weights count as defined in pgvantage's
-- impact().
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
