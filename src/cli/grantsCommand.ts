import { Argument, Command, Option } from 'commander'
import { grantsFor, type Grant } from '../operate/rights/grants.ts'
import { roles, type Role } from '../operate/rights/needs.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * `pgvantage grants --role ROLE NAME`: the statements that make a role what it is to be; runs none
 * of them.
 */
export function grantsCommand({ env, out }: Surroundings): Command {
  return new Command('grants')
    .description('print what to run so that a role can do what it is for, and nothing more; changes nothing')
    .addArgument(new Argument('<name>', 'the role that is granted the rights'))
    .addOption(new Option('-r, --role <role>', 'what it is for').choices(roles).makeOptionMandatory())
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async (login: string, { database, schema, role, json }: { database?: string; schema?: string; role: Role; json?: boolean }) => {
      const grants = await withDatabase({ database }, env, (db) => grantsFor(db, { role, login, schema }))
      out(json ? document(grants) : script(grants))
    })
}

/** Statements that the same role may run stand together, under its name. */
function script(grants: readonly Grant[]): string {
  const groups = Map.groupBy(grants, ({ as }) => as)
  const sections = [...groups].map(([as, group]) => {
    const who = as === null ? '-- as a superuser' : `-- as ${as}, or a superuser`
    return [who, ...group.map(({ statement }) => `${statement};`)].join('\n')
  })
  return `${sections.join('\n\n')}\n`
}
