import { sql, type Kysely } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { InvalidInputError, VantageError } from '../../schema/errors.ts'
import { preview } from '../../schema/parse.ts'
import { termsVersion } from '../terms.ts'

/** The model and the version of terms that a tenant's chunks are searched with. */
export interface Corpus {
  /** The model of their embeddings; null if no call has named one. */
  model: string | null
  /** The version of their terms; null if the tenant has no terms yet. */
  termsVersion: number | null
}

export async function readCorpus(scope: Scope, db: Kysely<{}>): Promise<Corpus> {
  const { rows } = await sql<Corpus>`
    select model, terms_version as "termsVersion" from ${scope.id('kb_corpus')} where tenant_id = ${scope.tenantId}::int8
  `.execute(db)
  return rows[0] ?? { model: null, termsVersion: null }
}

/**
 * Refuses a write that could not be searched together with the stored chunks.
 *
 * @param model of the embeddings to write; null if no call has named one, which fits every model.
 * @throws InvalidInputError if the tenant's embeddings are of another model.
 * @throws VantageError (`TERMS_VERSION`) if its terms are of another version.
 */
export function assertFits(scope: Scope, corpus: Corpus, model: string | null): void {
  if (model !== null && corpus.model !== null && corpus.model !== model) {
    throw new InvalidInputError(
      'model',
      `must be ${preview(corpus.model)}, the model of the embeddings of tenant ${preview(scope.tenantCode)}, got ${preview(model)}: distances between embeddings of two models mean nothing; move the tenant to the other one with reembed(scope, { embed, model: ${preview(model)} })`,
    )
  }
  if (corpus.termsVersion !== null && corpus.termsVersion !== termsVersion) {
    throw new VantageError(
      `the terms of the chunks of tenant ${preview(scope.tenantCode)} are of version ${corpus.termsVersion}, this version of pgvantage makes version ${termsVersion}, which is not found beside them: write them again with reindexTerms(scope)`,
      { code: 'TERMS_VERSION' },
    )
  }
}

/** Stores the model and the version of terms if they are not stored yet; stored values stay. */
export async function rememberCorpus(scope: Scope, db: Kysely<{}>, known: Corpus, model: string | null): Promise<void> {
  // A written row makes other writers of the row wait, so it is written only if it changes.
  if (known.termsVersion !== null && (known.model !== null || model === null)) return
  await sql`
    insert into ${scope.id('kb_corpus')} as corpus (tenant_id, model, terms_version)
    values (${scope.tenantId}::int8, ${model}::text, ${termsVersion}::int4)
    on conflict (tenant_id) do update
    set model = coalesce(corpus.model, excluded.model),
      terms_version = coalesce(corpus.terms_version, excluded.terms_version),
      changed_at = now()
  `.execute(db)
}
