import { createRequire } from 'node:module'
import { Command } from 'commander'
import { demoCommand } from './demoCommand.ts'
import { doctorCommand } from './doctorCommand.ts'
import { exitCode } from './exitCode.ts'
import { grantsCommand } from './grantsCommand.ts'
import { graphCommand } from './graphCommand.ts'
import { ingestCommand } from './ingestCommand.ts'
import { maintainCommand } from './maintainCommand.ts'
import { migrateCommand } from './migrateCommand.ts'
import { patternsCommand } from './patternsCommand.ts'
import { policiesCommand } from './policiesCommand.ts'
import { refreshGraphCommand } from './refreshGraphCommand.ts'
import { resourcesCommand } from './resourcesCommand.ts'
import { suspectsCommand } from './suspectsCommand.ts'
import { tenantsCommand } from './tenantsCommand.ts'
import type { Surroundings } from './surroundings.ts'

// By the package's own name, because the file is one folder deeper when compiled.
const { version } = createRequire(import.meta.url)('pgvantage/package.json') as { version: string }

const epilogue = `
Exit codes: ${exitCode.ok} done; ${exitCode.failed} failed, nothing half done; ${exitCode.usage} wrong command line or value; ${exitCode.findings} findings (doctor, ingest --strict, maintain); ${exitCode.interrupted} interrupted.
With --json stdout is one JSON document; after a failure {"error": {"code", "message"}}.`

/**
 * The `pgvantage` command; `exit` is told the exit code of a command that worked but has something
 * to say with it.
 */
export function program(surroundings: Surroundings, exit: (code: number) => void): Command {
  const root = new Command('pgvantage')
    .description('The analysis layer for observability data in PostgreSQL.')
    .version(version, '--version', 'print the version')
    .helpOption('--help', 'print this help')
    .enablePositionalOptions()
    .addHelpText('after', epilogue)
  root.addCommand(migrateCommand(surroundings))
  root.addCommand(policiesCommand(surroundings))
  root.addCommand(maintainCommand(surroundings, exit))
  root.addCommand(doctorCommand(surroundings, exit))
  root.addCommand(grantsCommand(surroundings))
  root.addCommand(ingestCommand(surroundings, exit))
  root.addCommand(graphCommand(surroundings))
  root.addCommand(suspectsCommand(surroundings))
  root.addCommand(refreshGraphCommand(surroundings))
  root.addCommand(tenantsCommand(surroundings))
  root.addCommand(resourcesCommand(surroundings))
  root.addCommand(patternsCommand(surroundings))
  root.addCommand(demoCommand(surroundings))
  for (const command of everyCommand(root)) {
    command
      .exitOverride()
      .configureOutput({ writeOut: surroundings.out, writeErr: surroundings.err })
      .showHelpAfterError('(--help says more)')
    if (!command.options.some(({ long }) => long === '--verbose')) command.option('--verbose', 'show stack traces')
  }
  return root
}

const everyCommand = (command: Command): Command[] => [command, ...command.commands.flatMap(everyCommand)]
