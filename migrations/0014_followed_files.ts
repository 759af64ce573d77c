import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'

/**
 * How far files that grow have been read: written in the transaction that adds their records to the
 * journal, so that each record is added once, whatever ends the process that reads.
 */
export const followedFiles: Migration = {
  name: '0014_followed_files',
  up: (installation) => {
    const tenant = qualified(installation, 'dim_tenant')
    const follower = qualified(installation, 'ingest_follower')
    const file = qualified(installation, 'ingest_file')
    return [
      // A process that follows files. It says again and again that it is there; another one on its machine can see that by its mark, too.
      `create table ${follower} (
  follower_id bigint generated always as identity primary key,
  tenant_id bigint not null references ${tenant} (tenant_id),
  node text not null check (octet_length(node) between 1 and 255),
  label text not null check (octet_length(label) between 1 and 255),
  process text check (octet_length(process) between 1 and 255),
  alive_until timestamptz not null
)`,
      // A file is known by where it lies (device and inode) and by its first bytes, not by its name. The tail is of the bytes before the position.
      `create table ${file} (
  file_id bigint generated always as identity primary key,
  tenant_id bigint not null references ${tenant} (tenant_id),
  node text not null check (octet_length(node) between 1 and 255),
  path text not null check (octet_length(path) between 1 and 8192),
  inode text not null check (octet_length(inode) between 1 and 64),
  head_bytes integer not null check (head_bytes > 0),
  head uuid not null,
  position bigint not null default 0 check (position >= 0),
  tail uuid,
  state jsonb not null default '{}',
  revision bigint not null default 0,
  follower_id bigint references ${follower} (follower_id) on delete set null,
  seen_at timestamptz not null default now(),
  check ((position = 0) = (tail is null))
)`,
      `create index on ${file} (tenant_id, node)`,
      `create index on ${file} (follower_id)`,
    ]
  },
  down: (installation) => ['ingest_file', 'ingest_follower'].map((name) => `drop table ${qualified(installation, name)}`),
}
