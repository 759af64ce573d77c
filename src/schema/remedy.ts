/**
 * What to do about an error, for a program that says it in its own words: a service may show a
 * button, and the command line a command. The error's message says it with functions of this
 * library.
 */
export type Remedy =
  /** Create the tenant. */
  | { do: 'createTenant'; code: string }
  /** Create or upgrade the schema. */
  | { do: 'migrateUp' }
  /** Name the schema in an option; `advice` is the text for it, such as `say which`. */
  | { do: 'nameSchema'; advice: string }
  /** The server's administrator creates the extension; `instead` is what works without it. */
  | { do: 'createExtension'; extension: string; instead?: string }
  /** Run it as a role that may act as the owner of the tables. */
  | { do: 'actAsOwner'; owner: string; role: string }

/** The remedy for a caller of functions. */
export function inFunctions(remedy: Remedy): string {
  switch (remedy.do) {
    case 'createTenant':
      return `listTenants(db) lists those there are, ensureTenant(db, { code: ${JSON.stringify(remedy.code)} }) makes one`
    case 'migrateUp':
      return 'call migrateUp(db), or run `pgvantage migrate up`'
    case 'nameSchema':
      return `${remedy.advice} with { schema }`
    case 'createExtension': {
      const { extension, instead } = remedy
      const without = instead === undefined ? '' : `; without it, ${instead}`
      return `run \`create extension ${extension}\` where the server offers it, then migrateUp(db)${without}`
    }
    case 'actAsOwner':
      return `connect as ${remedy.owner}, or have it granted (grantsFor(db, { role: 'maintainer', login: ${JSON.stringify(remedy.role)} }) has the statements)`
  }
}
