import { createRequire } from 'node:module'
import { Command } from 'commander'
import { MissingCapabilityError } from '../schema/errors.ts'
import { doctorCommand } from './doctorCommand.ts'
import { exitCode } from './exitCode.ts'
import { grantsCommand } from './grantsCommand.ts'
import { graphCommand } from './graphCommand.ts'
import { ingestCommand } from './ingestCommand.ts'
import { maintainCommand } from './maintainCommand.ts'
import { migrateCommand } from './migrateCommand.ts'
import { policiesCommand } from './policiesCommand.ts'
import type { Surroundings } from './surroundings.ts'

// By the package's own name, because the file is one folder deeper when compiled.
const { version, peerDependencies, peerDependenciesMeta } = createRequire(import.meta.url)('pgvantage/package.json') as {
  version: string
  peerDependencies: Record<string, string>
  peerDependenciesMeta: Record<string, { optional: boolean }>
}

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
  root
    .command('demo')
    .description('replay a recorded incident in an embedded PostgreSQL and tell its story')
    .argument('[options...]', 'see `pgvantage demo --help`')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (options: string[]) => {
      // Loaded only here: it needs the embedded database and the drawing libraries, which are
      // optional.
      const { demoCommand } = await import('./demo.ts').catch((cause: unknown) => {
        throw explainMissing(cause)
      })
      await demoCommand(surroundings).exitOverride().parseAsync(options, { from: 'user' })
    })
  for (const command of everyCommand(root)) {
    command
      .exitOverride()
      .configureOutput({ writeOut: surroundings.out, writeErr: surroundings.err })
      .showHelpAfterError('(--help says more)')
    if (command.name() !== 'demo') command.option('--verbose', 'show stack traces')
  }
  return root
}

const everyCommand = (command: Command): Command[] => [command, ...command.commands.flatMap(everyCommand)]

/**
 * What to say where the demo cannot be loaded because a package is not there; any other error as it
 * was.
 */
function explainMissing(cause: unknown): unknown {
  if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) return cause
  const packages = Object.entries(peerDependencies).flatMap(([name, range]) =>
    peerDependenciesMeta[name]?.optional ? [`${name}@${range}`] : [],
  )
  return new MissingCapabilityError(
    `pgvantage demo needs the packages that embed PostgreSQL and draw, and not all of them are installed: run \`npm install ${packages.join(' ')}\``,
    { cause },
  )
}
