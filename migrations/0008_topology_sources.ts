import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'

/** Who says that an edge holds: each source has its own history of it. And when each source told what it knows. */
export const topologySources: Migration = {
  name: '0008_topology_sources',
  up: (installation) => {
    const edge = qualified(installation, 'topo_edge_time')
    return [
      // The constraint's own index begins with what idx_topo_valid held. Two GiST indexes, and what hardly tells edges apart before what does, made
      // 37,000 edges cost twice as long.
      `drop index ${qualified(installation, 'idx_topo_valid')}`,
      `alter table ${edge}
  drop constraint topo_edge_time_pkey,
  drop constraint topo_edge_time_once,
  add column source text not null default '' check (octet_length(source) <= 255),
  add primary key (tenant_id, src_resource_id, dst_resource_id, relation, source, valid),
  add constraint topo_edge_time_once exclude using gist (
    tenant_id with =, src_resource_id with =, dst_resource_id with =, valid with &&, relation with =, source with =
  )`,
      // What opened or closed in a stretch of time, and what is open: upper(valid) is null.
      `create index idx_topo_opened on ${edge} (tenant_id, lower(valid))`,
      `create index idx_topo_closed on ${edge} (tenant_id, upper(valid))`,
      // after_gap: earlier snapshots are no longer remembered, so nothing can be put in before this one.
      `create table ${qualified(installation, 'topo_snapshot')} (
  tenant_id bigint not null references ${qualified(installation, 'dim_tenant')} (tenant_id),
  source text not null check (octet_length(source) <= 255),
  relation text not null check (octet_length(relation) between 1 and 255),
  at timestamptz not null,
  edge_count bigint not null check (edge_count >= 0),
  after_gap boolean not null default false,
  primary key (tenant_id, source, relation, at)
)`,
    ]
  },
  down: (installation) => {
    const edge = qualified(installation, 'topo_edge_time')
    return [
      `drop table ${qualified(installation, 'topo_snapshot')}`,
      `drop index ${qualified(installation, 'idx_topo_closed')}`,
      `drop index ${qualified(installation, 'idx_topo_opened')}`,
      // Before, an edge had one history: those of several sources have no place in it.
      `delete from ${edge} where source <> ''`,
      `alter table ${edge}
  drop constraint topo_edge_time_pkey,
  drop constraint topo_edge_time_once,
  drop column source,
  add primary key (tenant_id, src_resource_id, dst_resource_id, relation, valid),
  add constraint topo_edge_time_once exclude using gist (
    tenant_id with =, src_resource_id with =, dst_resource_id with =, relation with =, valid with &&
  )`,
      `create index idx_topo_valid on ${edge} using gist (tenant_id, src_resource_id, dst_resource_id, valid)`,
    ]
  },
}
