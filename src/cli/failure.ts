import { CommanderError, type Command } from 'commander'
import { InvalidInputError, NotFoundError, VantageError } from '../schema/errors.ts'
import { exitCode } from './exitCode.ts'
import { inCommands } from './remedies.ts'
import { serverHint } from './serverHint.ts'

/** What was called, for a message that speaks of it. */
export interface Called {
  /** The command whose action failed; undefined where the command line was not even understood. */
  command: Command | undefined
  env: NodeJS.ProcessEnv
}

/**
 * What went wrong, for a person: one line, and with `verbose` the stack and the causes below it.
 */
export function describeError(error: unknown, called: Called, verbose: boolean): string {
  const line = `error: ${messageOf(error, called)}`
  if (!verbose) return error instanceof VantageError || serverHint(error, called) !== undefined ? line : `${line}\n(--verbose shows where)`
  const stacks: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) stacks.push(cause.stack ?? cause.message)
  return [line, ...stacks].join('\n')
}

/** The same for a program. */
export function errorDocument(error: unknown, called: Called): { error: { code: string; message: string } } {
  const code = error instanceof CommanderError ? 'USAGE' : codeOf(error)
  return { error: { code, message: messageOf(error, called).replace(/^error: /, '') } }
}

/** A tenant or resource that is not there is a wrong value, too. */
export function exitCodeOf(error: unknown): number {
  const wrong = [CommanderError, InvalidInputError, NotFoundError].some((kind) => error instanceof kind)
  return wrong ? exitCode.usage : exitCode.failed
}

function messageOf(error: unknown, called: Called): string {
  const message = error instanceof VantageError ? ours(error, called) : theirs(error)
  const hint = serverHint(error, called)
  return hint === undefined ? message : `${message}: ${hint}`
}

/** An error of pgvantage, with options instead of fields and commands instead of functions. */
function ours(error: VantageError, called: Called): string {
  const problem =
    error instanceof InvalidInputError ? `${optionOf(error.field, called)}${error.problem.slice(error.field.length)}` : error.problem
  return error.remedy === undefined ? problem : `${problem}: ${inCommands(error.remedy)}`
}

/**
 * A field as the command line calls it, where the command has it: `embeddingDimension` is
 * `--embedding-dimension`.
 */
function optionOf(field: string, { command }: Called): string {
  // What an option of the library nests, a command has beside its other options.
  const [, name = '', rest = ''] = /^(?:text\.)?(\w+)(.*)$/s.exec(field) ?? []
  const option = command?.options.find((option) => option.attributeName() === (name === 'code' ? 'tenant' : name))
  return option === undefined ? (elsewhere[field] ?? field) : `${option.long}${rest}`
}

/** What a command takes from an option of another name, or from somewhere else. */
const elsewhere: Readonly<Record<string, string>> = {
  hashKey: 'PGVANTAGE_HASH_KEY',
  login: '<name>',
  baseline: '--baseline-from',
  'baseline.from': '--baseline-from',
  'range.from': '--from',
}

function theirs(error: unknown): string {
  // A refused connection is one error for each address that was tried, and a message of none.
  if (error instanceof AggregateError) return [...new Set(error.errors.map(theirs))].join('; ')
  return error instanceof Error ? error.message || error.name : String(error)
}

function codeOf(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : 'FAILED'
}
