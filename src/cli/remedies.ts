import type { Remedy } from '../schema/remedy.ts'

/** A remedy as somebody reads it who types commands. */
export function inCommands(remedy: Remedy): string {
  switch (remedy.do) {
    case 'createTenant':
      return '`pgvantage tenants` lists those there are, `pgvantage ingest --create` makes one'
    case 'migrateUp':
      return 'run `pgvantage migrate up`'
    case 'nameSchema':
      return `${remedy.advice} with --schema`
    case 'createExtension':
      return `run \`create extension ${remedy.extension}\` where the server offers it, then \`pgvantage migrate up\``
    case 'actAsOwner':
      return `connect as ${remedy.owner}, or have a superuser run what \`pgvantage grants --role maintainer ${shellWord(remedy.role)}\` prints`
  }
}

/** A word as a shell takes it. */
export const shellWord = (word: string): string => (/^[\w.-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`)
