import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { Command } from 'commander'
import { MissingCapabilityError } from '../schema/errors.ts'
import { document } from './document.ts'
import { demoTenant } from './demo/demoTenant.ts'
import { sizeOfReadable } from './readable.ts'
import type { Surroundings } from './surroundings.ts'

export interface DemoOptions {
  database?: string
  sql?: boolean
  out?: string
  json?: boolean
}

// By the package's own name, because this file is one folder deeper when compiled.
const ours = createRequire(import.meta.url)

/** The recorded incident, which comes with the package. */
const recordedIncident = () => join(dirname(ours.resolve('pgvantage/package.json')), 'examples/shop/recordings/incident.jsonl.gz')

/** `pgvantage demo [RECORDING]`: replays recorded telemetry and tells what it finds. */
export function demoCommand({ signal, interactive, out, err }: Surroundings): Command {
  return demoOptions(new Command('demo').description('replay a recorded incident in an embedded PostgreSQL and tell its story'))
    .argument('[recording]', 'OTLP/JSON lines, plain, gzip or zstd, as the Collector writes them (default: a recorded incident)')
    .option('--json', 'one JSON document: what was found; the rest is told on stderr')
    .action(async (given: string | undefined, options: DemoOptions) => {
      const recording = given ?? recordedIncident()
      await sizeOfReadable(recording, 'recording')
      // Loaded only here: it needs the embedded database and the drawing libraries, which are
      // optional.
      const { replay, runDemo } = await import('./demo.ts').catch((cause: unknown) => {
        throw explainMissing(cause)
      })
      const context = { signal, interactive, say: options.json ? err : out }
      const told = await runDemo((scope) => replay(scope, recording, context), options, context)
      if (options.json) out(document(told))
    })
}

/** The options every form of the demo takes. */
export const demoOptions = (command: Command): Command =>
  command
    .option('-d, --database <url>', `a PostgreSQL to use instead of an embedded one; the demo writes as the tenant ${demoTenant}`)
    .option('--sql', 'print the statement behind each finding')
    .option('--out <folder>', 'where the pictures go', 'demo-output')
    .option('--verbose', 'show stack traces')

/**
 * What to say where the demo cannot be loaded because a package is not there; any other error as it
 * was.
 */
function explainMissing(cause: unknown): unknown {
  if (!(cause instanceof Error && 'code' in cause && cause.code === 'ERR_MODULE_NOT_FOUND')) return cause
  const { peerDependencies, peerDependenciesMeta } = ours('pgvantage/package.json') as {
    peerDependencies: Record<string, string>
    peerDependenciesMeta: Record<string, { optional: boolean }>
  }
  const packages = Object.entries(peerDependencies).flatMap(([name, range]) =>
    peerDependenciesMeta[name]?.optional ? [`${name}@${range}`] : [],
  )
  return new MissingCapabilityError(
    `pgvantage demo needs the packages that embed PostgreSQL and draw, and not all of them are installed: run \`npm install ${packages.join(' ')}\``,
    { cause },
  )
}
