import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { describeError, errorDocument, exitCodeOf } from '../../../src/cli/failure.ts'
import { inCommands } from '../../../src/cli/remedies.ts'
import { pathOf, roleNeeded } from '../../../src/cli/serverHint.ts'
import { program } from '../../../src/cli/program.ts'
import { inFunctions, type Remedy } from '../../../src/schema/remedy.ts'
import { InvalidInputError, NotFoundError, SchemaVersionError, VantageError } from '../../../src/schema/errors.ts'

const surroundings = {
  env: {},
  input: (async function* () {})(),
  out: () => {},
  err: () => {},
  interactive: false,
  columns: 100,
  signal: new AbortController().signal,
}
const everyCommand = (command: Command): Command[] => (command.commands.length === 0 ? [command] : command.commands.flatMap(everyCommand))
const commands = everyCommand(program(surroundings, () => {}))
const named = (path: string) => commands.find((command) => pathOf(command) === path)!

const told = (error: unknown, path?: string, env = {}) =>
  describeError(error, { command: path === undefined ? undefined : named(path), env }, false)
const withCode = (message: string, code: string) => Object.assign(new Error(message), { code })

describe('what a failed command says', () => {
  it.each<[string, Error, string]>([
    ['ECONNREFUSED', withCode('connect ECONNREFUSED 127.0.0.1:5432', 'ECONNREFUSED'), 'is a server running there?'],
    ['ENOTFOUND', withCode('getaddrinfo ENOTFOUND nowhere.invalid', 'ENOTFOUND'), 'the name of the host is not known'],
    ['ETIMEDOUT', withCode('connect ETIMEDOUT 10.0.0.1:5432', 'ETIMEDOUT'), 'cannot be reached'],
    ['no socket', withCode('connect ENOENT /run/.s.PGSQL.5432', 'ENOENT'), 'no server listens on this socket'],
    ['no answer', new Error('timeout expired'), 'did not answer within 15 seconds'],
    ['a wrong password', withCode('password authentication failed for user "a"', '28P01'), 'PGPASSWORD or ~/.pgpass'],
    ['no password', new Error('SASL: SCRAM-SERVER-FIRST-MESSAGE: client password must be a string'), 'the server asks for a password'],
    [
      'TLS required',
      withCode('no pg_hba.conf entry for host "::1", user "a", database "b", no encryption', '28000'),
      'sslmode=verify-full',
    ],
    ['no login', withCode('role "a" is not permitted to log in', '28000'), 'may not log in from here'],
    ['no TLS', new Error('The server does not support SSL connections'), 'sslmode=disable'],
    ['a certificate', withCode('self-signed certificate', 'DEPTH_ZERO_SELF_SIGNED_CERT'), 'sslrootcert=FILE'],
    ['no database', withCode('database "b" does not exist', '3D000'), '`createdb NAME`'],
    ['a full server', withCode('sorry, too many clients already', '53300'), 'max_connections'],
    ['a server that starts', withCode('the database system is starting up', '57P03'), 'try again in a moment'],
    ['a read-only server', withCode('cannot execute INSERT in a read-only transaction', '25006'), 'connect to the primary'],
  ])('of %s', (_, error, hint) => {
    const text = told(error, 'doctor')
    expect(text).toMatch(/^error: /)
    expect(text).toContain(`${error.message}: `)
    expect(text).toContain(hint)
    expect(text).not.toContain('\n')
  })

  it('has no advice about files, whose errors say enough', () => {
    expect(told(withCode("ENOENT: no such file or directory, open 'a'", 'ENOENT'))).toBe(
      "error: ENOENT: no such file or directory, open 'a'\n(--verbose shows where)",
    )
  })

  it('says the same of every address that was tried', () => {
    const refused = (address: string) => withCode(`connect ECONNREFUSED ${address}`, 'ECONNREFUSED')
    const text = told(new AggregateError([refused('::1:5432'), refused('127.0.0.1:5432')]))
    expect(text).toMatch(/^error: connect ECONNREFUSED ::1:5432; connect ECONNREFUSED 127\.0\.0\.1:5432: is a server running there\?/)
  })

  it('names the role that a right is missing for, and the login if it was said', () => {
    const denied = withCode('permission denied for table dim_tenant', '42501')
    expect(told(denied, 'ingest', { DATABASE_URL: 'postgres://app%20reader@host/db' })).toBe(
      "error: permission denied for table dim_tenant: `pgvantage ingest` needs the role writer; what `pgvantage grants --role writer 'app reader'` prints gives it that",
    )
    expect(told(denied, 'tenants', { DATABASE_URL: 'postgres://a%z@host/db' })).toContain("--role reader 'a%z'`")
    expect(told(denied, 'refresh-graph', { PGUSER: 'me' })).toContain('`pgvantage grants --role refresher me`')
    expect(told(denied, 'tenants')).toContain('`pgvantage grants --role reader NAME`')
    const failed = new VantageError('migrate up failed: permission denied for schema public', { code: 'MIGRATION_FAILED', cause: denied })
    expect(told(failed, 'migrate up')).toContain('needs the role owner')
  })

  it('knows a role for every command', () => {
    expect(Object.keys(roleNeeded).toSorted()).toEqual(commands.map(pathOf).toSorted())
  })

  it('names options where a function would name fields', () => {
    expect(told(new InvalidInputError('embeddingDimension', 'must be at most 4000'), 'migrate up')).toBe(
      'error: --embedding-dimension: must be at most 4000',
    )
    expect(told(new InvalidInputError('code', 'must not be empty'), 'graph')).toBe('error: --tenant: must not be empty')
    expect(told(new InvalidInputError('dimensions[0].from', 'must not be empty'), 'ingest')).toBe(
      'error: --dimensions[0].from: must not be empty',
    )
    expect(told(new InvalidInputError('hashKey', 'is missing'), 'ingest')).toBe('error: PGVANTAGE_HASH_KEY: is missing')
    expect(told(new InvalidInputError('login', 'must not be empty'), 'grants')).toBe('error: <name>: must not be empty')
    expect(told(new InvalidInputError('metric_1m.retain', 'is no interval'), 'policies apply')).toBe(
      'error: metric_1m.retain: is no interval',
    )
  })

  it('tells a program, too', () => {
    expect(errorDocument(withCode('database "b" does not exist', '3D000'), { command: undefined, env: {} })).toEqual({
      error: { code: '3D000', message: expect.stringContaining('`createdb NAME`') },
    })
  })

  it('ends with 2 for a wrong value, and 1 for what failed', () => {
    expect([new InvalidInputError('a', 'b'), new NotFoundError('a'), new SchemaVersionError('a'), new Error('a')].map(exitCodeOf)).toEqual([
      2, 2, 1, 1,
    ])
  })
})

const remedies: Remedy[] = [
  { do: 'createTenant', code: 'shop' },
  { do: 'migrateUp' },
  { do: 'nameSchema', advice: 'say which' },
  { do: 'createExtension', extension: 'age', instead: 'use callsDuring' },
  { do: 'actAsOwner', owner: 'app', role: 'me' },
]

it.each(remedies)('a remedy ($do) is said in functions by the library, in commands by the command line', (remedy) => {
  expect(new VantageError('it is so', { remedy }).message).toBe(`it is so: ${inFunctions(remedy)}`)
  expect(told(new VantageError('it is so', { remedy }))).toBe(`error: it is so: ${inCommands(remedy)}`)
  expect(inCommands(remedy)).not.toMatch(/\w\(|\{|callsDuring/)
})
