import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'

/**
 * What maintenance could not do, and why: for doctor to tell, and for the next runs to try again.
 */
export const maintenanceFailures: Migration = {
  name: '0009_maintenance_failures',
  up: (installation) => [
    `create table ${qualified(installation, 'pgvantage_failure')} (
  step text not null,
  object text not null,
  at timestamptz not null,
  tenant_id bigint not null,
  reason text not null,
  failures bigint not null default 1,
  first_at timestamptz not null default now(),
  last_at timestamptz not null default now(),
  primary key (step, object, at, tenant_id)
)`,
  ],
  down: (installation) => [`drop table ${qualified(installation, 'pgvantage_failure')}`],
}
