import { quoteLiteral } from '../src/database/sql/identifier.ts'
import { qualified } from '../src/database/installation/installation.ts'
import type { Migration } from './migration.ts'

/** The options of `migrate up`, in the database, so that every function honours them without being told again. */
export const installation: Migration = {
  name: '0001_installation',
  up: (options) => [
    `create table ${qualified(options, 'pgvantage_installation')} (
  only_row boolean primary key default true check (only_row),
  graph_prefix text not null,
  embedding_dimension int4 not null check (embedding_dimension between 1 and 4000),
  embedding_distance text not null check (embedding_distance in ('l2', 'cosine', 'ip')),
  time_rung text not null check (time_rung in ('community', 'apache', 'native')),
  installed_at timestamptz not null default now()
)`,
    `insert into ${qualified(options, 'pgvantage_installation')} (graph_prefix, embedding_dimension, embedding_distance, time_rung)
values (${quoteLiteral(options.graphPrefix)}, ${options.embeddingDimension}, ${quoteLiteral(options.embeddingDistance)}, ${quoteLiteral(options.timeRung)})`,
  ],
  down: (options) => [`drop table ${qualified(options, 'pgvantage_installation')}`],
}
