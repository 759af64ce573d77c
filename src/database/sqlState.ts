/** The SQLSTATE of an error that the server reported; null for any other. */
export function sqlStateOf(error: unknown): string | null {
  const code = error instanceof Error && 'code' in error ? error.code : null
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) ? code : null
}

/**
 * Whether an error is about the rows: a value out of range or malformed, a limit exceeded, or a
 * constraint or trigger (also of the user) that refuses them.
 */
export const isAboutRows = (error: unknown): boolean => ['22', '23', '54', 'P0'].includes(sqlStateOf(error)?.slice(0, 2) ?? '')

/**
 * Whether an error is about one object or statement, so that others can be tried: not a lost
 * connection, a server that shuts down, or a read-only server.
 */
export function isAboutOne(error: unknown): boolean {
  const state = sqlStateOf(error)
  return state !== null && !state.startsWith('08') && !['57P01', '57P02', '57P03', '57P05', '25006', '28000', '3D000'].includes(state)
}

/**
 * Whether a read failed because the tenant does not have a resource with a given URN. The message
 * names the URN and the most similar existing ones.
 *
 * @example
 * try {
 *   return await callSummary(scope, { from: urn, range: last('1 hour') }).execute()
 * } catch (error) {
 *   if (isUnknownResource(error)) return error.message
 *   throw error
 * }
 */
export const isUnknownResource = (error: unknown): error is Error & { code: 'PV404' } => sqlStateOf(error) === 'PV404'

/**
 * Whether an error may be gone when the same transaction is repeated: it was in the way of another
 * one (a serialization failure, a deadlock), or the connection was lost, refused or ended, as when
 * a server restarts or another one takes over.
 */
export function isPassing(error: unknown): boolean {
  const state = sqlStateOf(error)
  if (state !== null) return state.startsWith('08') || passingStates.has(state)
  if (!(error instanceof Error)) return false
  const code = 'code' in error && typeof error.code === 'string' ? error.code : ''
  return lostConnections.has(code) || (code === '' && lostConnection.test(error.message))
}

const passingStates: ReadonlySet<string> = new Set(['40001', '40P01', '57P01', '57P02', '57P03', '57P05', '53300', '25006'])

/** Of the operating system. */
const lostConnections: ReadonlySet<string> = new Set(['ECONNRESET', 'ECONNREFUSED', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'EHOSTUNREACH'])

/** Of pg, whose own errors have no code. */
const lostConnection = /^(?:Connection terminated|timeout exceeded when trying to connect|Client has encountered a connection error)/
