import { qualified, type Installation } from '../src/database/installation/installation.ts'
import { quoteLiteral } from '../src/database/sql/identifier.ts'
import type { Migration } from './migration.ts'

/** What a search of knowledge reads beside embeddings: the terms of chunks, the words there are, and by what they were made. */
export const retrieval: Migration = {
  name: '0013_retrieval',
  up: (installation) => {
    const table = (name: string) => qualified(installation, name)
    return [
      `alter table ${table('pgvantage_installation')}
  add column knowledge_language text not null default 'english',
  add column embedding_type text not null default 'vector' check (embedding_type in ('vector', 'halfvec'))`,
      `update ${table('pgvantage_installation')}
set knowledge_language = ${quoteLiteral(installation.knowledgeLanguage)}, embedding_type = ${quoteLiteral(installation.embeddingType)}`,
      // What a document was made of, by which it is known whether it has changed.
      `alter table ${table('kb_doc')}
  add column fingerprint bytea,
  add column updated_at timestamptz not null default now()`,
      `create index idx_kb_doc_place on ${table('kb_doc')} (tenant_id, source, md5(coalesce(url, title)))`,
      // Without a model a chunk is found by its words alone.
      ...(installation.embeddingType === 'halfvec'
        ? embeddingsAs(
            installation,
            `halfvec(${installation.embeddingDimension})`,
            `embedding halfvec_${installation.embeddingDistance}_ops`,
          )
        : []),
      `alter table ${table('kb_chunk')}
  alter column embedding drop not null,
  add column context text not null default '',
  add column length integer not null default 0 check (length >= 0),
  add column fingerprint bytea,
  add constraint kb_chunk_tenant_id_chunk_id_key unique (tenant_id, chunk_id) include (length)`,
      `create index idx_kb_chunk_sample on ${table('kb_chunk')} (tenant_id) include (length) where (hashint8extended(chunk_id, 0) & 15) = 0`,
      `create table ${table('kb_term')} (
  tenant_id bigint not null,
  chunk_id bigint not null,
  frequency integer not null check (frequency > 0),
  length integer not null check (length >= frequency),
  position integer check (position >= 0),
  width integer check (width > 0),
  term text collate "C" not null check (octet_length(term) between 1 and 255),
  primary key (tenant_id, term, chunk_id) include (frequency, length),
  foreign key (tenant_id, chunk_id) references ${table('kb_chunk')} (tenant_id, chunk_id) on delete cascade
)`,
      `create index idx_kb_term_chunk on ${table('kb_term')} (tenant_id, chunk_id)`,
      // A sixteenth of the chunks, always the same ones: how common a common term is, is counted in these alone.
      `create index idx_kb_term_sample on ${table('kb_term')} (tenant_id, term) where (hashint8extended(chunk_id, 0) & 15) = 0`,
      `create table ${table('kb_word')} (
  tenant_id bigint not null references ${table('dim_tenant')} (tenant_id),
  word text collate "C" not null check (octet_length(word) between 1 and 255),
  primary key (tenant_id, word)
)`,
      `create index idx_kb_word_similar on ${table('kb_word')} using gist (tenant_id, word gist_trgm_ops)`,
      `create table ${table('kb_corpus')} (
  tenant_id bigint primary key references ${table('dim_tenant')} (tenant_id),
  model text,
  terms_version integer,
  changed_at timestamptz not null default now()
)`,
      `create table ${table('kb_reembedding')} (
  tenant_id bigint not null,
  chunk_id bigint not null,
  fingerprint bytea not null,
  embedding real[] not null,
  primary key (tenant_id, chunk_id),
  foreign key (tenant_id, chunk_id) references ${table('kb_chunk')} (tenant_id, chunk_id) on delete cascade
)`,
    ]
  },
  down: (installation) => {
    const table = (name: string) => qualified(installation, name)
    return [
      ...['kb_reembedding', 'kb_corpus', 'kb_word', 'kb_term'].map((name) => `drop table ${table(name)}`),
      `delete from ${table('kb_chunk')} where embedding is null`,
      `drop index ${table('idx_kb_chunk_sample')}`,
      `alter table ${table('kb_chunk')}
  drop constraint kb_chunk_tenant_id_chunk_id_key,
  drop column fingerprint,
  drop column length,
  drop column context,
  alter column embedding set not null`,
      ...(installation.embeddingType === 'halfvec'
        ? embeddingsAs(installation, `vector(${installation.embeddingDimension})`, vectorKey(installation))
        : []),
      `drop index ${table('idx_kb_doc_place')}`,
      `alter table ${table('kb_doc')} drop column updated_at, drop column fingerprint`,
      `alter table ${table('pgvantage_installation')} drop column embedding_type, drop column knowledge_language`,
    ]
  },
}

/** Embeddings of another type, with the index that goes with it. */
function embeddingsAs(installation: Installation, type: string, key: string): string[] {
  const chunk = qualified(installation, 'kb_chunk')
  return [
    `drop index ${qualified(installation, 'idx_kb_vec_hnsw')}`,
    `alter table ${chunk} alter column embedding type ${type}`,
    `create index idx_kb_vec_hnsw on ${chunk} using hnsw (${key})`,
  ]
}

/** As 0005_knowledge has it. */
function vectorKey({ embeddingDimension, embeddingDistance }: Installation): string {
  return embeddingDimension <= 2000
    ? `embedding vector_${embeddingDistance}_ops`
    : `(embedding::halfvec(${embeddingDimension})) halfvec_${embeddingDistance}_ops`
}
