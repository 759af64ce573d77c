import { Command, Option } from 'commander'
import { sql } from 'kysely'
import type { Scope } from '../database/scope.ts'
import { resourceNames, type ResourceName } from '../graph/resourceNames.ts'
import { parse, preview } from '../schema/parse.ts'
import { boundedText } from '../schema/text.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { wholeNumber } from './options.ts'
import type { Surroundings } from './surroundings.ts'
import { table } from './table.ts'
import { scopeOf, tenantOption } from './tenant.ts'

interface Options {
  database?: string
  schema?: string
  tenant?: string
  kind?: string
  limit: number
  json?: boolean
}

interface Found {
  resources: Pick<ResourceName, 'urn' | 'type' | 'name'>[]
  /** How many there are besides. */
  more: number
}

/** `pgvantage resources [WORD]`: finds URNs by a part of the URN or the name. */
export function resourcesCommand({ env, out, columns }: Surroundings): Command {
  return new Command('resources')
    .description('find the URN of a service, host, database or queue; changes nothing')
    .argument('[word]', 'part of the URN or the name, in capitals or not (default: all)')
    .addOption(tenantOption())
    .addOption(new Option('-k, --kind <kind>', 'only of this kind: service, host, database, queue, ...'))
    .addOption(new Option('-l, --limit <n>', 'how many to list').default(20).argParser(wholeNumber))
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async (word: string | undefined, options: Options) => {
      const found = await withDatabase(options, env, async (db) => find(await scopeOf(db, options), word, options))
      out(options.json ? document(found) : describe(found, word, options, columns))
    })
}

async function find(scope: Scope, word: string | undefined, { kind, limit }: Options): Promise<Found> {
  let matching = resourceNames(scope)
  if (kind !== undefined) matching = matching.where('type', '=', parse(boundedText(255), kind, '--kind'))
  if (word !== undefined) {
    const part = parse(boundedText(1024), word, 'word')
    const has = (text: string) => sql<boolean>`strpos(lower(${sql.ref(text)}), lower(${part}::text)) > 0`
    matching = matching.where(({ or }) => or([has('urn'), has('name')]))
  }
  const counted = await matching
    .clearSelect()
    .clearOrderBy()
    .select(({ fn }) => fn.countAll<string>().as('count'))
    .executeTakeFirstOrThrow()
  const resources = limit === 0 ? [] : await matching.clearSelect().select(['urn', 'type', 'name']).limit(limit).execute()
  return { resources, more: Number(counted.count) - resources.length }
}

function describe({ resources, more }: Found, word: string | undefined, { kind }: Options, width: number): string {
  const what = `resource${kind === undefined ? '' : ` of kind ${preview(kind)}`}${word === undefined ? '' : ` with ${preview(word)} in its URN or name`}`
  if (resources.length === 0 && more === 0) return `there is no ${what}\n`
  const rows = resources.map(({ urn, type, name }) => [urn, type, name])
  const listed = rows.length === 0 ? '' : table(['URN', 'kind', 'name'], rows, { width })
  return `${listed}${more === 0 ? '' : `and ${more.toLocaleString('en')} more: say more of the name, or --limit\n`}`
}
