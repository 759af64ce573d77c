import { CommanderError } from 'commander'
import { InvalidInputError, VantageError } from '../schema/errors.ts'
import { exitCode } from './exitCode.ts'

/**
 * What went wrong, for a person: one line, and with `verbose` the stack and the causes below it.
 */
export function describeError(error: unknown, verbose: boolean): string {
  const line = `error: ${messageOf(error)}`
  if (!verbose) return error instanceof VantageError ? line : `${line}\n(--verbose shows where)`
  const stacks: string[] = []
  for (let cause = error; cause instanceof Error; cause = cause.cause) stacks.push(cause.stack ?? cause.message)
  return [line, ...stacks].join('\n')
}

/** The same for a program. */
export function errorDocument(error: unknown): { error: { code: string; message: string } } {
  const code = error instanceof CommanderError ? 'USAGE' : codeOf(error)
  return { error: { code, message: messageOf(error).replace(/^error: /, '') } }
}

export function exitCodeOf(error: unknown): number {
  return error instanceof CommanderError || error instanceof InvalidInputError ? exitCode.usage : exitCode.failed
}

function messageOf(error: unknown): string {
  // A refused connection is one error for each address that was tried, and a message of none.
  if (error instanceof AggregateError) return [...new Set(error.errors.map(messageOf))].join('; ')
  return error instanceof Error ? error.message || error.name : String(error)
}

function codeOf(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null ? Reflect.get(error, 'code') : undefined
  return typeof code === 'string' ? code : 'FAILED'
}
