import { Command, Option } from 'commander'
import { parse } from '../schema/parse.ts'
import { urnText } from '../schema/text.ts'
import { databaseOption, schemaOption, withDatabase } from './connection.ts'
import { document } from './document.ts'
import { time, wholeNumber } from './options.ts'
import { describePatterns } from './patterns/describePatterns.ts'
import { findPatterns, type PatternOptions } from './patterns/findPatterns.ts'
import { requireResource } from './requireResource.ts'
import type { Surroundings } from './surroundings.ts'
import { scopeOf, tenantOption } from './tenant.ts'

interface Options extends PatternOptions {
  database?: string
  schema?: string
  tenant?: string
  new?: boolean
  bursting?: boolean
  vanished?: boolean
  json?: boolean
}

/**
 * `pgvantage patterns`: which log patterns are most of the log, or new, burst, or vanished.
 */
export function patternsCommand({ env, out, err, columns }: Surroundings): Command {
  return new Command('patterns')
    .description('list the log patterns that are most of the log, or new, burst, or vanished; changes nothing')
    .addOption(new Option('--new', 'never logged before').conflicts(['bursting', 'vanished', 'baselineFrom', 'baselineTo']))
    .addOption(new Option('--bursting', 'logged more often than in the baseline').conflicts('vanished'))
    .option('--vanished', 'not logged any more by a service that goes on')
    .addOption(tenantOption())
    .option('-s, --service <urn>', 'only what this one logs')
    .addOption(new Option('--last <interval>', 'how long before the end (default: 30 minutes)').conflicts('from'))
    .option('--from <time>', 'the beginning, such as 2026-11-22T09:30:00Z', time)
    .option('--to <time>', 'the end (default: that of the newest logs)', time)
    .option('--baseline-from <time>', 'the beginning of what is compared with (default: a day before its end)', time)
    .option('--baseline-to <time>', 'the end of what is compared with (default: where the range begins)', time)
    .addOption(new Option('-l, --limit <n>', 'how many to list').default(20).argParser(wholeNumber))
    .addOption(databaseOption())
    .addOption(schemaOption())
    .option('--json', 'one JSON document')
    .action(async (options: Options) => {
      const which = (['new', 'bursting', 'vanished'] as const).find((name) => options[name]) ?? 'noisiest'
      const { service, json } = options
      if (service !== undefined) parse(urnText, service, '--service')
      await withDatabase(options, env, async (db) => {
        const scope = await scopeOf(db, options)
        if (service !== undefined) await requireResource(scope, service)
        const found = await findPatterns(scope, which, options, { now: new Date(), warn: err })
        out(json ? document(found) : describePatterns(found, columns))
      })
    })
}
