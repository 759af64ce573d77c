import { CommanderError } from 'commander'
import { exitCode } from './exitCode.ts'
import { VantageError } from '../schema/errors.ts'
import { describeError, errorDocument, exitCodeOf, type Called } from './failure.ts'
import { program } from './program.ts'
import type { Surroundings } from './surroundings.ts'

/**
 * Runs the `pgvantage` command and returns its exit code.
 *
 * Results go to stdout, everything else to stderr. With `--json` stdout is exactly one JSON
 * document, also after a failure: then `{"error": {"code": ..., "message": ...}}`.
 *
 * @param args what follows the command's name.
 */
export async function run(args: readonly string[], given: Partial<Surroundings> = {}): Promise<number> {
  const interrupt = new AbortController()
  const stop = () => interrupt.abort(new VantageError('interrupted', { code: 'INTERRUPTED' }))
  process.once('SIGINT', stop).once('SIGTERM', stop)
  const surroundings: Surroundings = {
    env: process.env,
    input: standardInput(),
    out: (text) => process.stdout.write(text),
    err: (text) => process.stderr.write(text),
    interactive: process.stderr.isTTY,
    columns: columnsOf(process.stdout),
    signal: interrupt.signal,
    ...given,
  }
  const options = args.includes('--') ? args.slice(0, args.indexOf('--')) : args
  let code: number = exitCode.ok
  const called: Called = { command: undefined, env: surroundings.env }
  try {
    const root = program(surroundings, (result) => (code = result))
    root.hook('preAction', (_, command) => void (called.command = command))
    await root.parseAsync(args, { from: 'user' })
    return code
  } catch (error) {
    // Help and version end this way too, with exit code 0; commander has said already what is wrong
    // with the rest.
    if (error instanceof CommanderError && error.exitCode === 0) return exitCode.ok
    if (options.includes('--json')) surroundings.out(`${JSON.stringify(errorDocument(error, called))}\n`)
    else if (!(error instanceof CommanderError)) surroundings.err(`${describeError(error, called, options.includes('--verbose'))}\n`)
    return surroundings.signal.aborted ? exitCode.interrupted : exitCodeOf(error)
  } finally {
    process.off('SIGINT', stop).off('SIGTERM', stop)
  }
}

/** Touched only when it is read: a command that reads none must not wait for its end. */
async function* standardInput(): AsyncGenerator<Uint8Array> {
  yield* process.stdin as AsyncIterable<Uint8Array>
}

/** A terminal's own width within reason; elsewhere what fits a page. */
const columnsOf = ({ isTTY, columns }: { isTTY?: boolean; columns?: number }): number =>
  isTTY && columns !== undefined ? Math.min(Math.max(columns, 60), 120) : 100
