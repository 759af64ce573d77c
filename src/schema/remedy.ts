/**
 * What to do about an error, for a program to put into words of its own: a service may offer a
 * button where the command line names a command. The error's message says it in terms of this
 * library's functions.
 */
export type Remedy =
  /** The tenant is to be created. */
  | { do: 'createTenant'; code: string }
  /** The schema is to be created or upgraded. */
  | { do: 'migrateUp' }
  /** An option has to say which schema is meant; `advice` is what it is to say, such as `say which`. */
  | { do: 'nameSchema'; advice: string }
  /** The server's administrator creates the extension; `instead` is what works without it. */
  | { do: 'createExtension'; extension: string; instead?: string }
  /** Who may act as the owner of the tables is to run it. */
  | { do: 'actAsOwner'; owner: string; role: string }

/** The remedy as somebody reads it who calls functions. */
export function inFunctions(remedy: Remedy): string {
  switch (remedy.do) {
    case 'createTenant':
      return `create it with ensureTenant(db, { code: ${JSON.stringify(remedy.code)} })`
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
