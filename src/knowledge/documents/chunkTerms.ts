import { sql, type Kysely } from 'kysely'
import type { Scope } from '../../database/scope.ts'
import { isUnit, kindOf } from '../terms/characters.ts'
import { languageOf, terms } from '../terms.ts'

/** A term of a chunk, as it is stored. */
export interface ChunkTerm {
  term: string
  /** How often it is in the content, and twice for each time in the context. */
  frequency: number
  /** Where it is first in the content, in code points; null where it is in the context alone. */
  position: number | null
  width: number | null
}

/**
 * What a title and headings say counts twice: nDCG@10 was .028 higher on questions by people to
 * pages with titles, and the same on three other sets.
 */
const contextWeight = 2

/** What makes the terms of chunks, in the language of the installation. */
export function chunkTermsOf({ installation }: Scope): (chunk: { context: string; content: string }) => ChunkTerm[] {
  const language = languageOf(installation)
  return ({ context, content }) => {
    const found = new Map<string, ChunkTerm>()
    for (const { term, frequency, at, width } of terms(content, { language })) found.set(term, { term, frequency, position: at, width })
    for (const { term, frequency } of terms(context, { language })) {
      const known = found.get(term)
      if (known === undefined) found.set(term, { term, frequency: contextWeight * frequency, position: null, width: null })
      else known.frequency += contextWeight * frequency
    }
    return [...found.values()]
  }
}

/** How many terms a chunk has, each as often as it is said. */
export const lengthOf = (all: readonly ChunkTerm[]): number => all.reduce((sum, { frequency }) => sum + frequency, 0)

/** The rows of one statement: some 5 MB of text. */
const batch = 50_000

/** Adds the terms of chunks that have none. */
export async function writeTerms(
  scope: Scope,
  db: Kysely<{}>,
  chunks: readonly { chunk_id: string; length: number; terms: readonly ChunkTerm[] }[],
): Promise<void> {
  const rows = chunks.flatMap(({ chunk_id, length, terms }) => terms.map((term) => ({ chunk_id, length, ...term })))
  for (let at = 0; at < rows.length; at += batch) {
    const some = rows.slice(at, at + batch)
    const column = (value: (row: (typeof rows)[number]) => string | number | null) =>
      sql`${`{${some.map((row) => value(row) ?? 'null').join(',')}}`}::text`
    await sql`
      insert into ${scope.id('kb_term')} (tenant_id, chunk_id, frequency, length, position, width, term)
      select ${scope.tenantId}::int8, row.*
      from rows from (
        unnest(
          ${column((row) => row.chunk_id)}::int8[], ${column((row) => row.frequency)}::int4[], ${column((row) => row.length)}::int4[],
          ${column((row) => row.position)}::int4[], ${column((row) => row.width)}::int4[]
        ),
        json_array_elements_text(${JSON.stringify(some.map(({ term }) => term))}::json)
      ) as row (chunk_id, frequency, length, position, width, term)
      order by row.term collate "C", row.chunk_id
    `.execute(db)
  }
}

/**
 * Adds the words among terms. The last thing a transaction does: another one that adds the same
 * word waits for its end. In one order, so that no two wait for each other.
 */
export async function writeWords(scope: Scope, db: Kysely<{}>, terms: Iterable<string>): Promise<void> {
  const words = [...new Set(terms)].filter(isWord)
  if (words.length === 0) return
  await sql`
    insert into ${scope.id('kb_word')} (tenant_id, word)
    select ${scope.tenantId}::int8, word
    from json_array_elements_text(${JSON.stringify(words)}::json) as word
    order by word collate "C"
    on conflict do nothing
  `.execute(db)
}

/**
 * Deletes the words that no chunk has any more. Only who has the whole of the tenant's knowledge
 * may: a word that another adds a chunk for would go.
 */
export async function deleteUnusedWords(scope: Scope, db: Kysely<{}>): Promise<void> {
  await sql`
    delete from ${scope.id('kb_word')} as word
    where word.tenant_id = ${scope.tenantId}::int8
      and not exists (select from ${scope.id('kb_term')} as term where term.tenant_id = word.tenant_id and term.term = word.word)
  `.execute(db)
}

/**
 * Whether a term can be looked for by how it is spelt: at least four letters, not of a script
 * without blanks. A number, or the code of an error, that is nearly another is another.
 */
export function isWord(term: string): boolean {
  if (!/^[\p{L}\p{M}]{4,}$/u.test(term)) return false
  for (const character of term) if (isUnit(kindOf(character.codePointAt(0)!))) return false
  return true
}
