import { expect, it } from 'vitest'
import { isPassing } from '../../src/database/sqlState.ts'

const error = (message: string, code?: string) => Object.assign(new Error(message), code === undefined ? {} : { code })

it.each([
  ['a deadlock', error('deadlock detected', '40P01')],
  ['a serialization failure', error('could not serialize access', '40001')],
  ['a backend that was ended', error('terminating connection due to administrator command', '57P01')],
  ['a server that starts', error('the database system is starting up', '57P03')],
  ['a connection that PgBouncer lost', error('server conn crashed?', '08P01')],
  ['a connection that was reset', error('read ECONNRESET', 'ECONNRESET')],
  ['a server that is away', error('connect ECONNREFUSED 127.0.0.1:5432', 'ECONNREFUSED')],
  ['a connection that ended', error('Connection terminated unexpectedly')],
])('%s passes', (_, one) => {
  expect(isPassing(one)).toBe(true)
})

it.each([
  ['a statement timeout', error('canceling statement due to statement timeout', '57014')],
  ['a full disk', error('could not extend file', '53100')],
  ['a row that is refused', error('violates check constraint', '23514')],
  ['a wrong option', error('must be a number', 'INVALID_INPUT')],
  ['a mistake', new TypeError('x is not a function')],
  ['no error', 'Connection terminated'],
])('%s does not', (_, one) => {
  expect(isPassing(one)).toBe(false)
})
