import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'

/** Who depends on whom, and from when to when. */
export const topology: Migration = {
  name: '0004_topology',
  up: (installation) => {
    const edge = qualified(installation, 'topo_edge_time')
    const resource = qualified(installation, 'dim_resource')
    return [
      `create table ${edge} (
  tenant_id bigint not null,
  src_resource_id bigint not null,
  dst_resource_id bigint not null,
  relation text not null check (octet_length(relation) between 1 and 255),
  valid tstzrange not null,
  props jsonb not null default '{}',
  primary key (tenant_id, src_resource_id, dst_resource_id, relation, valid),
  foreign key (tenant_id, src_resource_id) references ${resource} (tenant_id, resource_id),
  foreign key (tenant_id, dst_resource_id) references ${resource} (tenant_id, resource_id),
  check (not isempty(valid) and lower_inc(valid) and not upper_inc(valid)),
  constraint topo_edge_time_once exclude using gist (
    tenant_id with =, src_resource_id with =, dst_resource_id with =, relation with =, valid with &&
  )
)`,
      `create index idx_topo_valid on ${edge} using gist (tenant_id, src_resource_id, dst_resource_id, valid)`,
      `create index idx_topo_dst on ${edge} (dst_resource_id)`,
    ]
  },
  down: (installation) => [`drop table ${qualified(installation, 'topo_edge_time')}`],
}
