select "change".* from (select "change"."at", "change"."kind", "change"."src", "change"."dst", null::float8 as "weight", "caller"."urn" as "src_urn", "callee"."urn" as "dst_urn", "change"."relation", "change"."props_before", "change"."props_after" from (select "moment"."at", 
    case when said.props_before is null then 'appeared' when said.props_after is null then 'vanished' else 'changed' end
   as "kind", "edge"."src", "edge"."dst", "edge"."relation", "said"."props_before", "said"."props_after" from (
    with changed as materialized (select "version"."src_resource_id", "version"."dst_resource_id", "version"."relation" from "public"."topo_edge_time" as "version" where "version"."tenant_id" = $1 and "version"."relation" = $2 and pg_catalog.lower(version.valid) >= $3::timestamptz and pg_catalog.lower(version.valid) < $4::timestamptz union select "version"."src_resource_id", "version"."dst_resource_id", "version"."relation" from "public"."topo_edge_time" as "version" where "version"."tenant_id" = $5 and "version"."relation" = $6 and pg_catalog.upper(version.valid) >= $7::timestamptz and pg_catalog.upper(version.valid) < $8::timestamptz)
    select version.src_resource_id as src, version.dst_resource_id as dst, version.relation,
      pg_catalog.array_agg(version.valid order by pg_catalog.lower(version.valid) desc, version.source collate "C") as valid,
      pg_catalog.array_agg(version.props order by pg_catalog.lower(version.valid) desc, version.source collate "C") as props
    from (
      select version.* from changed cross join lateral (select "version"."src_resource_id", "version"."dst_resource_id", "version"."relation", "version"."source", "version"."valid", "version"."props" from "public"."topo_edge_time" as "version" where "version"."tenant_id" = $9 and "version"."relation" = $10 and pg_catalog.lower(version.valid) < $11::timestamptz and coalesce(pg_catalog.upper(version.valid), 'infinity') >= $12::timestamptz and 
    version.src_resource_id = changed.src_resource_id and version.dst_resource_id = changed.dst_resource_id and version.relation = changed.relation
  ) as version where (select count(*) from changed) <= 200::int8
      union all
      (select "version"."src_resource_id", "version"."dst_resource_id", "version"."relation", "version"."source", "version"."valid", "version"."props" from "public"."topo_edge_time" as "version" where "version"."tenant_id" = $13 and "version"."relation" = $14 and pg_catalog.lower(version.valid) < $15::timestamptz and coalesce(pg_catalog.upper(version.valid), 'infinity') >= $16::timestamptz and (
    (version.src_resource_id, version.dst_resource_id, version.relation) in (select src_resource_id, dst_resource_id, relation from changed)
  ) is true and (select count(*) from changed) > 200::int8)
    ) as version
    group by version.src_resource_id, version.dst_resource_id, version.relation
  ) as "edge" inner join lateral (
    select distinct met.at from pg_catalog.unnest(edge.valid) as version (valid) cross join lateral (values (pg_catalog.lower(version.valid)), (pg_catalog.upper(version.valid))) as met (at)
    where met.at >= $17::timestamptz and met.at < $18::timestamptz
  ) as "moment" on true inner join lateral (
    select (pg_catalog.array_agg(version.props order by version.place) filter (where pg_catalog.lower(version.valid) < moment.at and coalesce(pg_catalog.upper(version.valid), 'infinity') >= moment.at))[1] as props_before, (pg_catalog.array_agg(version.props order by version.place) filter (where version.valid operator(pg_catalog.@>) moment.at))[1] as props_after
    from unnest(edge.valid, edge.props) with ordinality as version (valid, props, place)
  ) as "said" on true where said.props_before is distinct from said.props_after) as "change" inner join lateral (select known.* from "public"."dim_resource" as known where known."resource_id" = "change"."src" and (known.tenant_id = $19::int8) is true offset 0) as "caller" on true inner join lateral (select known.* from "public"."dim_resource" as known where known."resource_id" = "change"."dst" and (known.tenant_id = $20::int8) is true offset 0) as "callee" on true order by "change"."at", ("caller"."urn") collate "C", ("callee"."urn") collate "C", ("change"."relation") collate "C") as "change" where "kind" = $21