import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'

/**
 * What was read of telemetry, for as long as its windows may change: so that they can be rolled up
 * again from all of it, whichever process read it.
 */
export const ingestJournal: Migration = {
  name: '0011_ingest_journal',
  up: (installation) => {
    const tenant = qualified(installation, 'dim_tenant')
    const journal = qualified(installation, 'ingest_journal')
    return [
      // A row for what one batch has in one window, compressed already; without its payload once the window has closed: then it only says what was read.
      `create table ${journal} (
  part_id bigint generated always as identity primary key,
  tenant_id bigint not null references ${tenant} (tenant_id),
  dataset text not null check (dataset in ('traces', 'metrics', 'logs')),
  window_start timestamptz not null,
  digest uuid not null,
  requests uuid[] not null,
  records bigint not null check (records > 0),
  payload bytea,
  written_at timestamptz not null default now(),
  unique (tenant_id, window_start, dataset, digest)
)`,
      `alter table ${journal} alter column payload set storage external`,
      // Who reported in an open window, and whether all of it is in the rows: last_part is the last one that was added, rolled_part the last that is.
      // It waits for late records for as long as who added to it asked. Waiting is how many of its records were in no row when it was rolled up last.
      `create table ${qualified(installation, 'ingest_window')} (
  tenant_id bigint not null references ${tenant} (tenant_id),
  window_start timestamptz not null,
  dataset text not null check (dataset in ('traces', 'metrics', 'logs')),
  resource text not null check (octet_length(resource) between 1 and 1024),
  last_part bigint not null,
  rolled_part bigint not null default 0,
  waiting integer not null default 0 check (waiting >= 0),
  changed_at timestamptz not null default now(),
  horizon_ms bigint not null check (horizon_ms > 0),
  primary key (tenant_id, window_start, dataset, resource)
)`,
      // How far each resource is, which of its windows have closed, and what goes on beyond them.
      `create table ${qualified(installation, 'ingest_clock')} (
  tenant_id bigint not null references ${tenant} (tenant_id),
  dataset text not null check (dataset in ('traces', 'metrics', 'logs')),
  resource text not null check (octet_length(resource) between 1 and 1024),
  clock timestamptz not null,
  closed tstzmultirange not null default '{}',
  carried bytea,
  carried_until timestamptz,
  primary key (tenant_id, dataset, resource),
  check ((carried is null) = (carried_until is null))
)`,
    ]
  },
  down: (installation) => ['ingest_clock', 'ingest_window', 'ingest_journal'].map((name) => `drop table ${qualified(installation, name)}`),
}
