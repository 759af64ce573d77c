import type { Command } from 'commander'
import { sqlStateOf } from '../database/sqlState.ts'
import type { Role } from '../operate/rights/needs.ts'
import { MissingCapabilityError, VantageError } from '../schema/errors.ts'
import type { Called } from './failure.ts'
import { shellWord } from './remedies.ts'

/**
 * Which role of `pgvantage grants` each command needs. `policies plan` and `migrate plan` read what
 * their `apply` and `up` would change.
 */
export const roleNeeded: Readonly<Record<string, Role>> = {
  'migrate up': 'owner',
  'migrate down': 'owner',
  'migrate status': 'reader',
  'migrate plan': 'reader',
  'policies plan': 'reader',
  'policies apply': 'maintainer',
  maintain: 'maintainer',
  doctor: 'reader',
  grants: 'reader',
  ingest: 'writer',
  'refresh-graph': 'refresher',
  tenants: 'reader',
  resources: 'reader',
  graph: 'reader',
  patterns: 'reader',
  suspects: 'reader',
  demo: 'owner',
}

/** A command by its words: `migrate up`. */
export const pathOf = (command: Command): string => (command.parent?.parent ? `${pathOf(command.parent)} ` : '') + command.name()

/**
 * What to do about an error of the connection or the server; undefined where its own words say it,
 * or nothing is known.
 */
export function serverHint(error: unknown, called: Called): string | undefined {
  // The migration that the server refused says why, and the cause has the code.
  if (error instanceof VantageError) {
    const wraps = error.remedy === undefined && !(error instanceof MissingCapabilityError) && error.code.endsWith('_FAILED')
    return wraps ? ofState(error.cause, called) : undefined
  }
  const first: unknown = error instanceof AggregateError ? error.errors[0] : error
  return ofState(error, called) ?? (first instanceof Error ? (ofConnection(first) ?? ofTls(first)) : undefined)
}

/** By the SQLSTATE that the server gave. */
function ofState(error: unknown, { command, env }: Called): string | undefined {
  const message = error instanceof Error ? error.message : ''
  switch (sqlStateOf(error) ?? '') {
    case '28P01':
      return 'check role and password in the connection string, PGPASSWORD or ~/.pgpass'
    case '28000':
      // The only place where the server tells it is this message, which is in its own language.
      return message.includes('pg_hba.conf') && /no encryption|SSL off/.test(message)
        ? 'the server may want TLS: add ?sslmode=verify-full to the connection string'
        : 'this role may not log in from here: its login, or pg_hba.conf on the server, has to allow it'
    case '3D000':
      return 'create it (`createdb NAME`), or name another in the connection string'
    case '53300':
      return 'the server has no connection left: try again later, or let it have more (max_connections)'
    case '57P03':
      return 'try again in a moment'
    case '25006':
      return 'this server or role takes no writes: connect to the primary, as a role whose transactions are not read-only'
    case '42501': {
      const role = command && roleNeeded[pathOf(command)]
      if (role === undefined) return undefined
      const login = loginOf(command?.opts<{ database?: string }>().database, env)
      return `\`pgvantage ${pathOf(command!)}\` needs the role ${role}; what \`pgvantage grants --role ${role} ${login}\` prints gives it that`
    }
    default:
      return undefined
  }
}

function ofConnection(error: Error): string | undefined {
  const asTold = 'check host and port in the connection string'
  switch ('code' in error ? error.code : undefined) {
    case 'ECONNREFUSED':
      return `is a server running there? If so, ${asTold}`
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return `the name of the host is not known: ${asTold}`
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
    case 'ETIMEDOUT':
      return `the server cannot be reached from here: ${asTold}, and what a firewall lets through`
    case 'ENOENT':
      // Of files the message says enough.
      if (!error.message.startsWith('connect')) return undefined
      return 'no server listens on this socket: is it running? Else name a host in the connection string'
    case 'ECONNRESET':
    case 'EPIPE':
      return 'the server closed the connection: its log says why'
    default:
      break
  }
  if (/timeout expired|connection timeout/i.test(error.message)) {
    return `the server did not answer within 15 seconds: ${asTold}, and what a firewall lets through`
  }
  if (error.message.includes('password must be a string')) {
    return 'the server asks for a password: put it in the connection string, PGPASSWORD or ~/.pgpass'
  }
  return undefined
}

function ofTls(error: Error): string | undefined {
  if (error.message.includes('does not support SSL')) return 'take sslmode out of the connection string, or say sslmode=disable'
  const code = 'code' in error ? String(error.code) : ''
  if (/SELF_SIGNED|UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER|CERT_|ALTNAME/.test(code)) {
    return "the server's certificate is not one this machine trusts: name its authority (?sslrootcert=FILE)"
  }
  return undefined
}

/** Who logs in, as far as it was said. */
function loginOf(database: string | undefined, env: NodeJS.ProcessEnv): string {
  const url = database ?? env.DATABASE_URL
  const said = url !== undefined && URL.canParse(url) ? decoded(new URL(url).username) : env.PGUSER
  return said ? shellWord(said) : 'NAME'
}

/** As pg reads it: a percent sign that encodes nothing is one. */
function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
